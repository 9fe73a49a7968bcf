//! Values of prompts that no one was asked for.

use artifacts_declared::{Name, Prompt};
use artifacts_digest::keyed;
use artifacts_plan::Instance;
use artifacts_seam::Secret;
use zeroize::Zeroizing;

/// Bytes that a generator finds in `/dev/urandom` when it is to generate the same values everywhere.
pub(crate) const STREAM: usize = 1 << 20;

/// The key of what is the same everywhere, filled up with zeros.
const MADE_UP: [u8; 32] = *b"artifacts made-up values 1\0\0\0\0\0\0";

/// Derives the values of prompts, and what a generator reads from the random devices.
pub(crate) struct TestValues {
    key: Zeroizing<[u8; 32]>,
    deterministic: bool,
}

impl TestValues {
    /// Chooses random values; or, when the target's configuration of the backend has `deterministic = true`, the same on every
    /// machine and in every boot for instances of one name. A shared instance's name has no target, so all its targets agree.
    /// Anyone can compute such values: they protect nothing.
    ///
    /// # Errors
    /// If the kernel has no randomness.
    pub fn new(instance: &Instance) -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        let deterministic = instance.for_backend.targets.iter().any(|target| deterministic(&target.config));
        if deterministic {
            *key = keyed(&MADE_UP, instance.name.to_string().as_bytes()).0;
        } else {
            getrandom::fill(key.as_mut_slice())?;
        }
        Ok(Self { key, deterministic })
    }

    /// Returns the answer to a prompt.
    pub fn answer(&self, name: &Name, prompt: &Prompt) -> Secret {
        let value = prompt.test_value.clone().unwrap_or_else(|| {
            let hash = keyed(&self.key, format!("prompt {name}").as_bytes()).to_string();
            format!("made-up-{}", &hash[..32])
        });
        Secret::new(value.into_bytes())
    }

    /// Returns so many bytes for a generator to read from the random devices; `None` leaves these the kernel's.
    pub fn stream(&self, size: usize) -> Option<Secret> {
        self.deterministic.then(|| {
            let blocks = (0_u64..).map(|block| keyed(&self.key, &[&b"stream "[..], &block.to_le_bytes()].concat()).0);
            Secret::new(blocks.flatten().take(size).collect())
        })
    }
}

fn deterministic(config: &str) -> bool {
    let config: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
    config["deterministic"] == serde_json::Value::Bool(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn instance(name: &str, config: &str) -> Instance {
        let spec = format!(
            r#"{{"schema":1,"targets":[{{"kind":"nixos","name":"{target}","config":{{"dummy":{config}}},"artifacts":{{
                "a":{{"backend":"dummy","shared":{shared},"files":{{"f":{{}}}}}}}}}}]}}"#,
            target = name.trim_start_matches('+'),
            shared = name.starts_with('+')
        );
        let resolved = artifacts_plan::instances(&artifacts_declared::parse(&spec).unwrap(), None);
        resolved.instances.into_values().next().unwrap()
    }

    fn answer(name: &str, config: &str) -> String {
        let source = TestValues::new(&instance(name, config)).unwrap();
        let prompt = Prompt::default();
        String::from_utf8(source.answer(&Name::new("p").unwrap(), &prompt).expose().to_vec()).unwrap()
    }

    #[test]
    fn made_up_values_are_marked_so_and_new_each_time() {
        let one = answer("m", "{}");
        assert!(one.starts_with("made-up-") && one.len() == 40, "{one}");
        assert_ne!(one, answer("m", "{}"));
        assert_ne!(one, answer("m", r#"{"deterministic":false}"#));
        assert!(TestValues::new(&instance("m", "{}")).unwrap().stream(9).is_none());
    }

    #[test]
    fn deterministic_ones_depend_on_the_instances_name_alone() {
        let yes = r#"{"deterministic":true}"#;
        assert_eq!(answer("m", yes), answer("m", yes));
        assert_ne!(answer("m", yes), answer("n", yes));
        assert_eq!(answer("+m", yes), answer("+n", yes));
        assert_ne!(answer("+m", yes), answer("m", yes));
        let stream = |name| TestValues::new(&instance(name, yes)).unwrap().stream(STREAM).unwrap();
        assert_eq!(stream("+m"), stream("+n"));
        assert_eq!(stream("m").size(), 1 << 20);
        assert_ne!(stream("m"), stream("n"));
    }

    #[test]
    fn a_test_value_is_taken_as_it_is() {
        let source = TestValues::new(&instance("m", "{}")).unwrap();
        let prompt = Prompt { test_value: Some("given\n".to_owned()), ..Prompt::default() };
        assert_eq!(source.answer(&Name::new("p").unwrap(), &prompt).expose(), b"given\n");
    }
}
