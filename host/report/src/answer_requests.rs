use std::fmt::Write as _;

use artifacts_text::terminal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// A generator that gets what a person enters, and could pass it on: it has the network, or writes public files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AnswerRequest {
    /// What is generated.
    pub instance: String,
    /// Its prompts.
    pub prompts: Vec<String>,
    /// The generator's path.
    pub generator: String,
    /// Of the generator's bytes, where the path does not determine what it is.
    pub sha256: Option<String>,
    /// Whether the generator may use the network.
    pub network: bool,
    /// The public files that it writes.
    pub public: Vec<String>,
}

/// Renders who would get which answers, for a person who is to agree to it.
pub fn answer_requests(requests: &[AnswerRequest]) -> String {
    let mut text = String::new();
    for AnswerRequest { instance, prompts, generator, sha256, network, public } in requests {
        let _ = writeln!(text, "The generator of {} wants to use what you enter:", terminal(instance));
        let _ = writeln!(text, "    prompts     {}", terminal(&prompts.join(", ")));
        let _ = writeln!(text, "    generator   {}", terminal(generator));
        if let Some(sha256) = sha256 {
            let _ = writeln!(text, "    sha256      {sha256}");
        }
        if *network {
            let _ = writeln!(text, "    network     yes; the generator could send the answers away");
        }
        if !public.is_empty() {
            let _ = writeln!(text, "    publishes   {}", terminal(&public.join(", ")));
        }
    }
    text
}

impl AnswerRequest {
    /// Returns it as an accepted one is stored.
    pub fn stored(&self) -> Value {
        json!({
            "instance": self.instance,
            "prompts": self.prompts,
            "generator": self.generator,
            "sha256": self.sha256,
            "network": self.network,
            "public": self.public,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_program_the_network_and_the_public_files() {
        let request = AnswerRequest {
            instance: "per-machine/web1/wg".to_owned(),
            prompts: vec!["pin".to_owned(), "user".to_owned()],
            generator: "/g\u{1b}[2J".to_owned(),
            sha256: Some("abc".to_owned()),
            network: true,
            public: vec!["cert".to_owned()],
        };
        let quiet = AnswerRequest { network: false, sha256: None, public: Vec::new(), ..request.clone() };
        assert_eq!(
            answer_requests(&[request, quiet]),
            "The generator of per-machine/web1/wg wants to use what you enter:\n    prompts     pin, user\n    \
             generator   /g\\u{1b}[2J\n    sha256      abc\n    network     yes; the generator could send the answers away\n    \
             publishes   cert\nThe generator of per-machine/web1/wg wants to use what you enter:\n    prompts     pin, user\n    \
             generator   /g\\u{1b}[2J\n"
        );
    }
}
