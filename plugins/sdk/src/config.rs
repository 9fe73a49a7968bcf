use serde::de::DeserializeOwned;

use crate::{Failure, Target};

/// Reads `artifacts.config.<backend>` of one target.
///
/// # Errors
/// Of kind `config`, naming the target and the field.
pub fn config<T: DeserializeOwned>(target: &Target) -> Result<T, Failure> {
    let json = &mut serde_json::Deserializer::from_str(&target.config);
    serde_path_to_error::deserialize(json).map_err(|error| {
        let field = error.path().to_string();
        let place = if field == "." { "its configuration".to_owned() } else { format!("`{field}`") };
        Failure::config(format!("{} `{}`: {place}: {}", target.id.kind, target.id.name, sentence(error.inner())))
    })
}

/// Formats an error of serde without the position in the JSON, which means nothing to someone who wrote Nix.
fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[allow(dead_code)]
        keys: Vec<String>,
    }

    fn failure(config: &str) -> String {
        let id = crate::TargetId { kind: "nixos".into(), name: "web1".into(), attrs: Vec::new() };
        let target = Target { id, config: config.into(), attrs: Vec::new() };
        super::config::<Config>(&target).unwrap_err().message
    }

    #[test]
    fn errors_name_target_and_field() {
        assert_eq!(
            failure(r#"{"keys":["a",1]}"#),
            "nixos `web1`: `keys[1]`: invalid type: integer `1`, expected a string"
        );
        assert_eq!(failure("{}"), "nixos `web1`: its configuration: missing field `keys`");
        assert!(failure(r#"{"kees":[]}"#).contains("unknown field `kees`"));
    }
}
