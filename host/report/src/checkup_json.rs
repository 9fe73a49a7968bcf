//! What programs read of `doctor`.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Area, Checkup, HealthFinding, Verdict, Way};

/// Version of this format.
const SCHEMA: u64 = 1;

/// Returns the JSON Schema (2020-12) of what `doctor` prints with `--json`.
pub fn checkup_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut value = settings.into_generator().into_root_schema_for::<CheckupView>().to_value();
    value["title"] = json!("artifacts doctor");
    value
}

/// The checks of a machine's setup.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CheckupView<'a> {
    /// Version of this format.
    #[schemars(extend("const" = SCHEMA))]
    schema: u64,
    /// Every check, in the order of the areas.
    checks: Vec<CheckView<'a>>,
    /// Number of checks by verdict.
    counts: CountsView,
    /// Errors of the command itself; what a check found is none.
    #[schemars(schema_with = "no_errors")]
    errors: [(); 0],
}

/// Numbers of checks.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CountsView {
    /// Those that are as they should be.
    ok: usize,
    /// Those that leave work.
    work: usize,
    /// Those of something broken.
    broken: usize,
}

/// What one check came to.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CheckView<'a> {
    /// What was examined.
    #[schemars(schema_with = "areas")]
    area: &'static str,
    /// What came of it.
    #[schemars(schema_with = "verdicts")]
    verdict: &'static str,
    /// One sentence.
    message: &'a str,
    /// What to do, the best first.
    remedies: Vec<RemedyView<'a>>,
}

/// Something to do: a command or a text.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RemedyView<'a> {
    /// Words of a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a [String]>,
    /// What no single command does.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

fn areas(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": Area::ALL.map(Area::as_str)})
}

fn verdicts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": Verdict::ALL.map(Verdict::as_str)})
}

fn no_errors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 0})
}

impl Checkup {
    /// Returns it as `--json` has it.
    pub fn json(&self) -> Value {
        let of = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let view = CheckupView {
            schema: SCHEMA,
            checks: self.findings.iter().map(CheckView::from).collect(),
            counts: CountsView { ok: of(Verdict::Ok), work: of(Verdict::Work), broken: of(Verdict::Broken) },
            errors: [],
        };
        // Only a map with keys that are no text could fail, and there is none.
        serde_json::to_value(view).unwrap_or_default()
    }
}

impl<'a> From<&'a HealthFinding> for CheckView<'a> {
    fn from(finding: &'a HealthFinding) -> Self {
        Self {
            area: finding.area.as_str(),
            verdict: finding.verdict.as_str(),
            message: &finding.message,
            remedies: finding.remedies.iter().map(RemedyView::from).collect(),
        }
    }
}

impl<'a> From<&'a Way> for RemedyView<'a> {
    fn from(way: &'a Way) -> Self {
        match way {
            Way::Command(words) => Self { command: Some(words), text: None },
            Way::Text(text) => Self { command: None, text: Some(text) },
        }
    }
}
