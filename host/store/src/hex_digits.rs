use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Stands, in a JSON Schema, for a [`crate::Hex`] of so many digits.
pub(crate) struct HexDigits<const N: usize>;

impl<const N: usize> JsonSchema for HexDigits<N> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("HexDigits{N}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": format!("^[0-9a-f]{{{N}}}$")})
    }
}
