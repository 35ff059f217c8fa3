//! Secret settings, which a file may hold instead of a variable.

use std::{fs::File, io::Read as _, path::Path};

use zeroize::Zeroizing;

use crate::error::SettingError;

/// A variable, its `…_FILE` twin, which names a file that holds the setting instead.
pub(super) struct Setting {
    pub(super) variable: &'static str,
    pub(super) file: &'static str,
}

/// The largest file of a setting in bytes.
const MAX_FILE: u64 = 64 * 1024;

impl Setting {
    /// What the variable holds, or the file that its twin names, and which of the two is set; `None` if neither is.
    pub(super) fn text(
        &self,
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<(&'static str, Zeroizing<String>)>, SettingError> {
        let set = |name| lookup(name).map(Zeroizing::new).filter(|value| !value.trim().is_empty());
        match (set(self.variable), set(self.file)) {
            (Some(_), Some(_)) => Err(SettingError::Both { variable: self.variable }),
            (Some(text), None) => Ok(Some((self.variable, text))),
            (None, Some(path)) => read(Path::new(path.trim()))
                .map(|text| Some((self.file, text)))
                .map_err(|source| SettingError::File { variable: self.file, source }),
            (None, None) => Ok(None),
        }
    }
}

/// A small file as text; what is longer than [`MAX_FILE`] is cut, and then refused as what it is.
fn read(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE as usize));
    File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}
