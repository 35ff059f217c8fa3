//! File systems of a test, in a mount namespace of their own that ends with it: nothing else sees them.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// What is mounted at the directory `$1`, before the child runs with the command `"$@"` after it.
pub(crate) enum Mount {
    /// 256 KiB in all.
    Small,
    /// Nothing can be written once the file `$1.lock` is there, until it is gone.
    ReadOnly,
    /// Nothing answers, until the file `$1.resume` is there: then it is gone. A FUSE file system whose server sleeps.
    Hung,
    /// Nothing; but no file can grow above 16 KiB.
    ShortFiles,
}

impl Mount {
    fn script(&self) -> &'static str {
        match self {
            Self::Small => "mount -t tmpfs -o size=256k,mode=700 tmpfs \"$dir\"; \"$@\"",
            Self::ReadOnly => {
                "mount -t tmpfs -o size=1m,mode=700 tmpfs \"$dir\"; \"$@\" & child=$!
                 until [ -e \"$dir.lock\" ]; do sleep 0.01; done; mount -o remount,ro \"$dir\"; rm \"$dir.lock\"
                 until [ -e \"$dir.lock\" ]; do sleep 0.01; done; mount -o remount,rw \"$dir\"; rm \"$dir.lock\"
                 wait $child"
            }
            Self::Hung => {
                "exec 3<>/dev/fuse
                 \"$@\" 3<&- & child=$!
                 until [ -e \"$dir.hang\" ]; do sleep 0.01; done
                 mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung \"$dir\"; rm \"$dir.hang\"
                 until [ -e \"$dir.resume\" ]; do sleep 0.01; done
                 exec 3<&-; umount -l \"$dir\"; rm \"$dir.resume\"
                 wait $child"
            }
            Self::ShortFiles => "trap '' XFSZ; ulimit -f 32; exec \"$@\"", // blocks of 512 bytes
        }
    }

    /// Runs the test of this name of this program, an ignored one, on the mount. `LIMIT` ends it.
    pub(crate) fn run(&self, test: &str) {
        let parent = tempfile::tempdir().unwrap();
        let dir = dir_in(&parent);
        fs::create_dir(&dir).unwrap();
        // As root by right, else as root of a user namespace.
        let root = fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
        let mut command = Command::new("unshare");
        command.args(if root { &["--mount"][..] } else { &["--mount", "--map-root-user"] });
        let script = format!("set -e; mount --make-rprivate /; dir=$1; shift; {}", self.script());
        command.args(["--kill-child", "--fork", "sh", "-c", &script, "sh"]).arg(&dir);
        command.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--ignored", "--nocapture"]);
        let mut child = command.env(DIR, &dir).stdout(Stdio::piped()).spawn().expect("unshare of util-linux");
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                None => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    panic!("{test} hangs");
                }
            }
        };
        let said = io::read_to_string(child.stdout.take().unwrap()).unwrap();
        said.lines().filter(|line| line.starts_with('|')).for_each(|row| println!("{row}"));
        assert!(
            status.success(),
            "{test} on a mount of its own, which needs root or user namespaces: {status}"
        );
    }
}

/// Where the child finds the directory.
const DIR: &str = "BLINDCACHE_TEST_DIR";
/// How long a child may take.
const LIMIT: Duration = Duration::from_secs(120);

fn dir_in(parent: &TempDir) -> std::path::PathBuf {
    parent.path().join("mount")
}

/// In the child: the directory. `None` where the test was started by itself.
pub(crate) fn dir() -> Option<std::path::PathBuf> {
    std::env::var_os(DIR).map(Into::into)
}

/// In the child: asks the script for its next step, and waits until it is done.
pub(crate) fn ask(dir: &Path, step: &str) {
    let file = dir.with_extension(step);
    fs::write(&file, "").unwrap();
    while file.exists() {
        thread::sleep(Duration::from_millis(5));
    }
}
