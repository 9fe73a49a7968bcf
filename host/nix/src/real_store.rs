use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// Directory of the store below a root of its own, whatever the store's name.
const BELOW_ROOT: &str = "nix/store";

/// Describes the store of a Nix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDirs {
    /// Directory that its paths name, such as `/nix/store`.
    pub path: PathBuf,
    /// Directory that they are in on this machine: another one if the store has a root of its own.
    pub real: PathBuf,
}

impl StoreDirs {
    /// Describes a store that is where its paths say.
    pub fn plain(path: PathBuf) -> Self {
        Self { real: path.clone(), path }
    }

    /// Returns where a path really is; one outside the store is where it says.
    pub fn real_path(&self, path: &Path) -> PathBuf {
        moved(path, &self.path, &self.real)
    }

    /// Returns the path of the store that is really there; one outside the store is returned as it is.
    pub fn named_path(&self, path: &Path) -> PathBuf {
        moved(path, &self.real, &self.path)
    }
}

fn moved(path: &Path, from: &Path, to: &Path) -> PathBuf {
    path.strip_prefix(from).map_or_else(|_| path.to_owned(), |below| to.join(below))
}

/// Returns the directory in which a store's paths really are, by the setting `store`. `data` is where Nix keeps a user's own
/// store if the machine has none.
pub fn real_store(setting: &str, path: &Path, data: Option<&Path>) -> PathBuf {
    let (address, query) = setting.split_once('?').unwrap_or((setting, ""));
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| decoded(value))
    };
    if let Some(real) = parameter("real") {
        return real;
    }
    // A path alone names the root of a local store; versions from 2.34 on write it as a URL.
    let named = address.strip_prefix("local://").unwrap_or(address);
    let root = parameter("root").or_else(|| named.starts_with(['/', '.']).then(|| decoded(named)));
    let own = || data.filter(|_| matches!(address, "" | "auto") && !path.exists()).map(|data| data.join("nix/root"));
    let root = root.or_else(|| own().filter(|root| root.exists()));
    root.map_or_else(|| path.to_owned(), |root| root.join(BELOW_ROOT))
}

fn decoded(text: &str) -> PathBuf {
    PathBuf::from(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_store_with_a_root_of_its_own_is_below_it() {
        let real = |setting: &str| real_store(setting, Path::new("/nix/store"), None).display().to_string();
        for setting in
            ["auto", "", "daemon", "local", "local://", "unix:///run/x.sock", "ssh-ng://host", "local?state=/s"]
        {
            assert_eq!(real(setting), "/nix/store", "{setting}");
        }
        for setting in [
            "/a b",
            "local?root=/a b",
            "local?root=/a%20b",
            "local://?root=/a b",
            "local:///a%20b",
            "unix:///run/x.sock?state=/s&root=/a b",
            "/a b?state=/s",
        ] {
            assert_eq!(real(setting), "/a b/nix/store", "{setting}");
        }
        assert_eq!(real("local?real=/r&root=/a"), "/r");
    }

    #[test]
    fn where_the_machine_has_no_store_a_user_has_one() {
        let data = tempfile::tempdir().unwrap();
        let real = |path: &Path| real_store("auto", path, Some(data.path()));
        let missing = data.path().join("no/store");
        assert_eq!(real(&missing), missing, "neither is there");
        std::fs::create_dir_all(data.path().join("nix/root")).unwrap();
        assert_eq!(real(&missing), data.path().join("nix/root/nix/store"));
        assert_eq!(real(data.path()), data.path(), "the machine has one");
        assert_eq!(real_store("daemon", &missing, Some(data.path())), missing);
    }

    #[test]
    fn only_a_path_of_the_store_is_elsewhere() {
        let store = StoreDirs { path: "/nix/store".into(), real: "/r/nix/store".into() };
        assert_eq!(store.real_path("/nix/store/a/b".as_ref()), Path::new("/r/nix/store/a/b"));
        assert_eq!(store.real_path("/nix/storehouse".as_ref()), Path::new("/nix/storehouse"));
        assert_eq!(store.named_path("/r/nix/store/a".as_ref()), Path::new("/nix/store/a"));
        assert_eq!(store.named_path("/r/nix".as_ref()), Path::new("/r/nix"));
    }
}
