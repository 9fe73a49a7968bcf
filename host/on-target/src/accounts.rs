//! Names of users and groups, as numbers.

use std::collections::HashMap;

/// Looks names up in the system's databases and remembers the answers, also that there is none.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<String, Option<u32>>,
    groups: HashMap<String, Option<u32>>,
}

impl Accounts {
    /// The number of a user, given by name or number; `None` when there is no such user.
    pub fn user(&mut self, name: &str) -> Option<u32> {
        let look = || nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
        number(name).or_else(|| *self.users.entry(name.to_owned()).or_insert_with(look))
    }

    /// The number of a group, given by name or number; `None` when there is no such group.
    pub fn group(&mut self, name: &str) -> Option<u32> {
        let look = || nix::unistd::Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
        number(name).or_else(|| *self.groups.entry(name.to_owned()).or_insert_with(look))
    }
}

fn number(name: &str) -> Option<u32> {
    name.bytes().all(|b| b.is_ascii_digit()).then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found() {
        let mut accounts = Accounts::default();
        assert_eq!(accounts.user("root"), Some(0));
        assert_eq!(accounts.group("root"), Some(0));
        assert_eq!(accounts.user("4711"), Some(4711));
        assert_eq!(accounts.user("no such user"), None);
        assert_eq!(accounts.group(""), None);
        assert_eq!(accounts.user("99999999999999"), None);
    }
}
