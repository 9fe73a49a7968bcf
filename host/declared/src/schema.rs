use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::{InstanceName, Name, RecipientName, SCHEMA, Spec};

/// The JSON Schema (2020-12) of the spec, as strict as [`crate::parse`]: no unknown field but those that begin with `x-`.
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Spec>();
    RecursiveTransform(strict).transform(&mut schema);
    let mut value = schema.to_value();
    value["title"] = json!("artifacts spec");
    value["properties"]["schema"] = json!({"description": "The version of this format.", "const": SCHEMA});
    value
}

fn strict(schema: &mut Schema) {
    if schema.get("properties").is_some() {
        schema.insert("additionalProperties".to_owned(), json!(false));
        schema.insert("patternProperties".to_owned(), json!({"^x-": true}));
    }
}

impl JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "1 to 200 bytes of UTF-8 without slash, backslash, control or invisible character, not beginning with `-`, not `.` or `..`.",
            "minLength": 1,
            "maxLength": 200,
            "pattern": "^(?!\\.{1,2}$|-)[^/\\\\\\p{C}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}\\p{Bidi_Control}]+$",
        })
    }
}

impl JsonSchema for InstanceName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InstanceName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "per-machine/MACHINE/ARTIFACT, per-user/USER/ARTIFACT or shared/ARTIFACT.",
            "pattern": "^(per-machine/[^/]+|per-user/[^/]+|shared)/[^/]+$",
        })
    }
}

impl JsonSchema for RecipientName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RecipientName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "1 to 200 letters, digits and ._@+-, beginning with a letter or a digit.",
            "maxLength": 200,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._@+-]*$",
        })
    }
}
