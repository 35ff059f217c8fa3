//! One run: its marks, its keys, and all that the library showed of them.

use std::{
    error::Error as StdError,
    fmt::{Debug, Write as _},
    io,
};

use blindcache::{BackendError, BackendErrorKind, MasterKey};

use crate::{common, marks::Marks};

#[derive(Default)]
pub(crate) struct Case {
    /// What must be nowhere.
    pub(crate) marks: Marks,
    /// What may be nowhere but in a login: user names and passwords.
    pub(crate) logins: Marks,
    /// Every `Debug` and every error so far.
    pub(crate) shown: String,
}

/// The bytes of a master key, which the library alone would not tell.
pub(crate) struct Master(pub(crate) [u8; 32]);

impl Case {
    pub(crate) fn text(&mut self, what: &str) -> String {
        self.marks.text(what)
    }

    pub(crate) fn master(&mut self, what: &str) -> Master {
        let master = Master(self.marks.bytes(what));
        self.marks.add(what, &master.key().to_text().as_bytes()["bcmk1-".len()..]);
        master
    }

    /// Marks what is derived from a tenant's root for one use.
    pub(crate) fn root(&mut self, root: &[u8; 32]) {
        for label in [&b"blindcache/v1/seal\0"[..], b"blindcache/v1/name\0"] {
            self.marks.add("a derived key", &common::expand(root, &[label]));
        }
    }

    /// A new tenant, and what each of these keys is for it.
    pub(crate) fn tenant(&mut self, masters: &[Master]) -> String {
        let tenant = self.text("a tenant");
        for master in masters {
            let root = common::expand(&master.0, &[b"blindcache/v1/tenant\0", tenant.as_bytes()]);
            self.marks.add("a tenant's root", &root);
            self.root(&root);
        }
        tenant
    }

    /// Keeps how this is shown, and passes it on.
    pub(crate) fn show<T: Debug>(&mut self, it: T) -> T {
        writeln!(self.shown, "{it:?}\n{it:#?}").unwrap();
        it
    }

    /// Keeps how an error and all its sources are shown.
    pub(crate) fn error<E: StdError>(&mut self, err: E) -> E {
        let mut next: Option<&dyn StdError> = Some(&err);
        while let Some(err) = next {
            writeln!(self.shown, "{err}\n{err:#}\n{err:?}\n{err:#?}").unwrap();
            next = err.source();
        }
        err
    }

    /// Of what must fail, the error, shown.
    #[track_caller]
    pub(crate) fn refused<T, E: StdError>(&mut self, result: Result<T, E>) -> E {
        let Err(err) = result else { panic!("this was to be refused") };
        self.error(err)
    }

    /// Keeps how an error is shown, if there is one.
    pub(crate) fn outcome<T, E: StdError>(&mut self, result: Result<T, E>) {
        if let Err(err) = result {
            self.error(err);
        }
    }
}

impl Master {
    pub(crate) fn key(&self) -> MasterKey {
        MasterKey::from_bytes(&self.0).unwrap()
    }

    pub(crate) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[test]
fn a_debug_an_error_and_its_source_are_kept() {
    let mut controls = [(); 3].map(|()| Marks::default());
    let [shown, error, source] = controls.each_mut().map(|control| control.text("a control"));
    let mut case = Case::default();
    case.show(shown);
    case.error(io::Error::other(error));
    let outer = BackendError::new("custom", BackendErrorKind::Rejected).with_source(io::Error::other(source));
    case.error(outer);
    assert!(controls.iter().all(|control| control.find(case.shown.as_bytes()).is_some()));
}
