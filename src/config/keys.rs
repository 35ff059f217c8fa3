//! The keyring of the environment.

use super::secret::Setting;
use crate::{
    crypto::{Keyring, MasterKey},
    error::{Error, SettingError},
};

const MASTER_KEY: Setting = Setting { variable: "BLINDCACHE_MASTER_KEY", file: "BLINDCACHE_MASTER_KEY_FILE" };
const ACCEPTED_KEYS: Setting =
    Setting { variable: "BLINDCACHE_ACCEPTED_KEYS", file: "BLINDCACHE_ACCEPTED_KEYS_FILE" };
const NAMING_KEY: Setting = Setting { variable: "BLINDCACHE_NAMING_KEY", file: "BLINDCACHE_NAMING_KEY_FILE" };

impl Keyring {
    /// The keyring of the environment. Keys are in the text forms of [`MasterKey::parse`]; white space around them
    /// is ignored, and an empty variable counts as not set.
    ///
    /// | variable | |
    /// |---|---|
    /// | `BLINDCACHE_MASTER_KEY` | the sealing key |
    /// | `BLINDCACHE_ACCEPTED_KEYS` | up to 7 more keys whose entries are read, with commas between them |
    /// | `BLINDCACHE_NAMING_KEY` | the key that blinds names; must be set where there are accepted keys, to the key that the names were made with: usually the oldest |
    ///
    /// Instead of each, the same name with `_FILE` may name a file that holds it.
    ///
    /// # Errors
    /// [`Error::Setting`] names the variable; [`Error::Keyring`] if the keys do not go together.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_vars(super::variable)
    }

    /// As [`from_env`](Self::from_env), with variables from `lookup`.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let hint = "generate 32 random bytes once, for example by `openssl rand -hex 32`";
        let missing = SettingError::Missing { variable: MASTER_KEY.variable, hint };
        let sealing = MASTER_KEY.keys(&lookup)?.pop().ok_or(missing)?;
        let accepted = ACCEPTED_KEYS.keys(&lookup)?;
        let naming = NAMING_KEY.keys(&lookup)?.pop();
        if naming.is_none() && accepted.is_empty() {
            return Ok(Self::new(sealing)?);
        }
        let hint =
            "with accepted keys it is the key that the names were made with, usually the oldest of them";
        let missing = SettingError::Missing { variable: NAMING_KEY.variable, hint };
        Ok(Self::with_accepted(sealing, accepted, naming.ok_or(missing)?)?)
    }
}

impl Setting {
    /// The keys that this setting lists; a single one unless it is [`ACCEPTED_KEYS`].
    fn keys(&self, lookup: &impl Fn(&str) -> Option<String>) -> Result<Vec<MasterKey>, Error> {
        let Some((variable, text)) = self.text(lookup)? else { return Ok(Vec::new()) };
        let refused = |source| SettingError::Variable { variable, source: Box::new(source) };
        let parse =
            |text: &str| MasterKey::parse(text.trim()).map_err(|source| refused(source.into()).into());
        if self.variable != ACCEPTED_KEYS.variable {
            return Ok(vec![parse(&text)?]);
        }
        text.split(',').filter(|key| !key.trim().is_empty()).map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs};

    use super::*;
    use crate::error::{KeyringError, MasterKeyError};

    const ONE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const TWO: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const THREE: &str = "fe0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn keyring(variables: &[(&str, &str)]) -> Result<Keyring, Error> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        Keyring::from_vars(|name| variables.get(name).map(ToString::to_string))
    }

    fn refusal(variables: &[(&str, &str)]) -> SettingError {
        match keyring(variables) {
            Err(Error::Setting(refused)) => refused,
            other => panic!("not refused as a setting: {other:?}"),
        }
    }

    /// The naming key shows in the names that it makes, the sealing and accepted ones in their ids.
    fn same(one: &Keyring, other: &Keyring) -> bool {
        let naming = |keys: &Keyring| keys.naming().to_text();
        one.key_ids() == other.key_ids() && naming(one) == naming(other)
    }

    fn key(text: &str) -> MasterKey {
        MasterKey::parse(text).unwrap()
    }

    #[test]
    fn a_master_key_alone_seals_and_names() {
        let keys = keyring(&[("BLINDCACHE_MASTER_KEY", ONE)]).unwrap();
        assert!(same(&keys, &Keyring::new(key(ONE)).unwrap()));
    }

    #[test]
    fn accepted_keys_and_the_naming_key_are_read() {
        let keys = keyring(&[
            ("BLINDCACHE_MASTER_KEY", ONE),
            ("BLINDCACHE_ACCEPTED_KEYS", &format!(" {TWO} ,\n{THREE},")),
            ("BLINDCACHE_NAMING_KEY", TWO),
        ]);
        let expected = Keyring::with_accepted(key(ONE), [key(TWO), key(THREE)], key(TWO)).unwrap();
        assert!(same(&keys.unwrap(), &expected));
    }

    #[test]
    fn a_naming_key_may_stand_without_accepted_keys() {
        let keys = keyring(&[("BLINDCACHE_MASTER_KEY", ONE), ("BLINDCACHE_NAMING_KEY", TWO)]);
        assert!(same(&keys.unwrap(), &Keyring::with_accepted(key(ONE), [], key(TWO)).unwrap()));
    }

    #[test]
    fn accepted_keys_need_a_naming_key_and_the_error_says_which() {
        let refused = refusal(&[("BLINDCACHE_MASTER_KEY", ONE), ("BLINDCACHE_ACCEPTED_KEYS", TWO)]);
        assert!(matches!(refused, SettingError::Missing { variable: "BLINDCACHE_NAMING_KEY", .. }));
        assert!(refused.to_string().contains("the key that the names were made with"));
    }

    #[test]
    fn without_a_master_key_there_is_no_keyring() {
        for variables in [&[][..], &[("BLINDCACHE_MASTER_KEY", " \n")]] {
            let refused = refusal(variables);
            assert!(matches!(refused, SettingError::Missing { variable: "BLINDCACHE_MASTER_KEY", .. }));
        }
    }

    #[test]
    fn a_setting_and_its_file_are_not_both_set() {
        for name in ["BLINDCACHE_MASTER_KEY", "BLINDCACHE_ACCEPTED_KEYS", "BLINDCACHE_NAMING_KEY"] {
            let file = format!("{name}_FILE");
            let refused = refusal(&[("BLINDCACHE_MASTER_KEY", ONE), (name, ONE), (&file, "/nowhere")]);
            assert!(matches!(refused, SettingError::Both { variable } if variable == name));
        }
    }

    #[test]
    fn keys_are_read_from_files() {
        let folder = std::env::temp_dir().join(format!("blindcache-config-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let keys = keyring(&[
            ("BLINDCACHE_MASTER_KEY_FILE", &file("master", &format!("{ONE}\n"))),
            ("BLINDCACHE_ACCEPTED_KEYS_FILE", &file("accepted", &format!("{TWO},\n{THREE}\n"))),
            ("BLINDCACHE_NAMING_KEY_FILE", &file("naming", THREE)),
        ]);
        let huge = refusal(&[("BLINDCACHE_MASTER_KEY_FILE", &file("huge", &"a".repeat(1 << 20)))]);
        fs::remove_dir_all(&folder).unwrap();
        let expected = Keyring::with_accepted(key(ONE), [key(TWO), key(THREE)], key(THREE)).unwrap();
        assert!(same(&keys.unwrap(), &expected));
        assert!(matches!(huge, SettingError::Variable { variable: "BLINDCACHE_MASTER_KEY_FILE", .. }));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_of_its_variable() {
        let refused = refusal(&[("BLINDCACHE_MASTER_KEY_FILE", "/nowhere/at/all")]);
        assert!(matches!(refused, SettingError::File { variable: "BLINDCACHE_MASTER_KEY_FILE", .. }));
    }

    #[test]
    fn a_refused_key_names_its_variable_and_is_not_echoed() {
        let bad = "hunter2-hunter2-hunter2";
        for name in ["BLINDCACHE_MASTER_KEY", "BLINDCACHE_ACCEPTED_KEYS", "BLINDCACHE_NAMING_KEY"] {
            let refused =
                refusal(&[("BLINDCACHE_MASTER_KEY", ONE), ("BLINDCACHE_NAMING_KEY", ONE), (name, bad)]);
            let shown = format!("{refused:?} {refused}");
            let SettingError::Variable { variable, source } = refused else { panic!("{refused:?}") };
            assert_eq!(variable, name);
            assert!(matches!(*source, Error::MasterKey(MasterKeyError::Unrecognized)));
            assert!(!shown.contains("hunter2"));
        }
    }

    #[test]
    fn keys_that_do_not_go_together_are_refused() {
        let keys = keyring(&[
            ("BLINDCACHE_MASTER_KEY", ONE),
            ("BLINDCACHE_ACCEPTED_KEYS", ONE),
            ("BLINDCACHE_NAMING_KEY", ONE),
        ]);
        assert!(matches!(keys, Err(Error::Keyring(KeyringError::DuplicateKey))));
    }
}
