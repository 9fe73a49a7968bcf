//! Declarations, said in few words.

use std::path::Path;

use artifacts_declared::Spec;
use serde_json::{Value, json};

use super::BACKEND;

/// Machines with artifacts. `fleet.machine("web1").artifact("a").file("f")` reads as a sentence; each word is about the last one.
#[derive(Clone, Default)]
pub struct Fleet(Vec<Machine>);

#[derive(Clone)]
struct Machine {
    name: String,
    artifacts: Vec<(String, Value)>,
    /// Admins, by name.
    admins: serde_json::Map<String, Value>,
    host_key: Option<String>,
    /// Of backends, by name.
    config: Value,
}

impl Fleet {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn machine(mut self, name: &str) -> Self {
        self.0.push(Machine {
            name: name.to_owned(),
            artifacts: Vec::new(),
            admins: serde_json::Map::new(),
            host_key: None,
            config: json!({}),
        });
        self
    }

    /// An admin of the machine.
    #[must_use]
    pub fn admin(mut self, name: &str, key: &str) -> Self {
        self.0.last_mut().unwrap().admins.insert(name.to_owned(), json!(key));
        self
    }

    #[must_use]
    pub fn config(mut self, backend: &str, config: Value) -> Self {
        self.0.last_mut().unwrap().config[backend] = config;
        self
    }

    /// Declares nothing any more under the name of the first machine, but all of it under this one.
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0[0].name);
        self
    }

    /// The key of the machine.
    #[must_use]
    pub fn host_key(mut self, key: &str) -> Self {
        self.0.last_mut().unwrap().host_key = Some(key.to_owned());
        self
    }

    /// An artifact with a generator, and no file yet.
    #[must_use]
    pub fn artifact(mut self, name: &str) -> Self {
        let artifact = json!({"backend": BACKEND, "files": {}, "generator": {"path": "/generator"}});
        self.0.last_mut().unwrap().artifacts.push((name.to_owned(), artifact));
        self
    }

    /// The same for every artifact that has a single secret file `f`.
    #[must_use]
    pub fn secret(self, name: &str) -> Self {
        self.artifact(name).file("f")
    }

    #[must_use]
    pub fn file(self, name: &str) -> Self {
        self.with(|artifact| artifact["files"][name] = json!({}))
    }

    #[must_use]
    pub fn public(self, name: &str) -> Self {
        self.with(|artifact| artifact["files"][name] = json!({"secret": false}))
    }

    #[must_use]
    pub fn shared(self) -> Self {
        self.with(|artifact| artifact["shared"] = json!(true))
    }

    #[must_use]
    pub fn prompt(self, name: &str) -> Self {
        self.with(|artifact| artifact["prompts"][name] = json!({}))
    }

    /// A prompt that may be left empty.
    #[must_use]
    pub fn optional(self, name: &str) -> Self {
        self.with(|artifact| artifact["prompts"][name] = json!({"required": false}))
    }

    /// An artifact without a generator, and no file yet.
    #[must_use]
    pub fn typed(self, name: &str) -> Self {
        self.artifact(name).without_generator()
    }

    #[must_use]
    pub fn network(self) -> Self {
        self.with(|artifact| artifact["network"] = json!(true))
    }

    #[must_use]
    pub fn depends_on(self, name: &str) -> Self {
        self.with(|artifact| match artifact["dependencies"].as_array_mut() {
            Some(all) => all.push(json!(name)),
            None => artifact["dependencies"] = json!([name]),
        })
    }

    /// What is in a directory of `$in`: an instance by its full name, or an artifact.
    #[must_use]
    pub fn reads(self, directory: &str, name: &str) -> Self {
        self.with(|artifact| artifact["dependencies"][directory] = json!(name))
    }

    /// All its files stay off the machine.
    #[must_use]
    pub fn undeployed(self) -> Self {
        self.with(|artifact| {
            let files = artifact["files"].as_object_mut().unwrap();
            files.values_mut().for_each(|file| file["deploy"] = json!(false));
        })
    }

    #[must_use]
    pub fn validation(self, value: &str) -> Self {
        self.with(|artifact| artifact["validation"] = json!(value))
    }

    /// Seconds until it expires.
    #[must_use]
    pub fn max_age(self, seconds: u64) -> Self {
        self.with(|artifact| artifact["maxAge"] = json!(seconds))
    }

    /// Its value is replaced by hand.
    #[must_use]
    pub fn manual(self) -> Self {
        self.with(|artifact| artifact["rotation"] = json!("manual"))
    }

    /// A unit is restarted where its file `f` changes.
    #[must_use]
    pub fn restarts(self, unit: &str) -> Self {
        self.with(|artifact| artifact["files"]["f"]["restartUnits"] = json!([unit]))
    }

    /// Another generator than `/generator`.
    #[must_use]
    pub fn generated_by(self, path: &Path) -> Self {
        self.with(|artifact| artifact["generator"] = json!({"path": path}))
    }

    #[must_use]
    pub fn without_generator(self) -> Self {
        self.with(|artifact| artifact["generator"] = Value::Null)
    }

    #[must_use]
    pub fn backend(self, name: &str) -> Self {
        self.with(|artifact| artifact["backend"] = json!(name))
    }

    /// It has settings of its own for the fake backend.
    #[must_use]
    pub fn own_config(self, settings: &Value) -> Self {
        self.with(|artifact| artifact["backendConfig"] = json!({"fake": settings}))
    }

    /// It reads a public file that is not generated yet.
    #[must_use]
    pub fn blocked(self) -> Self {
        self.with(|artifact| *artifact = json!({"blocked": true}))
    }

    fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.0.last_mut().unwrap().artifacts.last_mut().unwrap().1);
        self
    }

    pub fn spec(&self) -> Spec {
        let target = |machine: &Machine| {
            let artifacts: serde_json::Map<String, Value> = machine.artifacts.iter().cloned().collect();
            let (admins, host) = (&machine.admins, &machine.host_key);
            json!({"kind": "nixos", "name": machine.name, "recipients": admins, "hostKey": host, "config": machine.config, "artifacts": artifacts})
        };
        let targets: Vec<Value> = self.0.iter().map(target).collect();
        artifacts_declared::parse(&json!({"schema": 1, "targets": targets}).to_string()).unwrap()
    }
}
