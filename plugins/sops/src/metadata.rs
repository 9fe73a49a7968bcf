use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::encrypted_value::EncryptedValue;
use crate::error::FormatError;
use crate::node::SopsNode;
use crate::rule::EncryptionRule;

/// Holds the data key, encrypted to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// Public key of the recipient.
    pub recipient: String,
    /// Armored age file that holds the data key.
    pub enc: String,
}

/// Describes a recipient of another kind than age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherRecipient {
    /// Key service, by its field in the metadata: `pgp`, `kms`, …
    pub service: String,
    /// Identity of its key, as in the file: a fingerprint, an ARN, an address.
    pub name: String,
}

impl std::fmt::Display for OtherRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.service, self.name)
    }
}

/// Holds the metadata of a file.
#[derive(Debug)]
pub(crate) struct SopsMetadata {
    pub stanzas: Vec<Stanza>,
    /// Recipients of other key services.
    pub others: Vec<OtherRecipient>,
    /// These as they are in the file, by service.
    pub other_lists: Vec<(String, SopsNode)>,
    /// Time as written: the MAC is bound to this text.
    pub lastmodified: String,
    pub mac: EncryptedValue,
    pub mac_only_encrypted: bool,
    pub rule: EncryptionRule,
}

/// Services that are known. Of these, anything but a list is damage.
const OTHER_SERVICES: [&str; 6] = ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp"];

/// Lists of the metadata that hold no recipients of another service. Whatever else is a list holds some: services that are
/// not known yet are not taken for none.
const OTHER_LISTS: [&str; 2] = ["age", "key_groups"];

/// Fields of a service's recipient that do not identify its key.
const NO_NAME: [&str; 2] = ["created_at", "enc"];

impl SopsMetadata {
    pub fn parse(node: &SopsNode) -> Result<Self, FormatError> {
        let fields = Fields::of("", node)?;
        version(&fields)?;
        let group = key_group(&fields)?;
        let mut others = others(&fields)?;
        if let Some(group) = &group {
            others.extend(self::others(group)?);
        }
        others.sort();
        others.dedup();
        let stanzas = stanzas(group.as_ref().unwrap_or(&fields), &others)?;
        let other_lists = joined(group.iter().chain([&fields]).flat_map(other_lists));
        Ok(Self {
            stanzas,
            others,
            other_lists,
            lastmodified: last_modified(&fields)?,
            mac: mac(&fields)?,
            mac_only_encrypted: fields.truth("mac_only_encrypted")?,
            rule: EncryptionRule::of(&fields)?,
        })
    }
}

fn version(fields: &Fields<'_>) -> Result<(), FormatError> {
    let found = fields.text("version")?.unwrap_or_default();
    let core = found.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let number = |part: &&str| part.len() < 10 && part.parse::<u32>().is_ok_and(|n| n.to_string() == **part);
    if parts.len() == 3 && parts.iter().all(number) {
        Ok(())
    } else {
        Err(FormatError::Version { found: found.escape_debug().to_string() })
    }
}

fn last_modified(fields: &Fields<'_>) -> Result<String, FormatError> {
    let found = fields.text("lastmodified")?.unwrap_or_default();
    match OffsetDateTime::parse(found, &Rfc3339) {
        Ok(_) => Ok(found.to_owned()),
        Err(_) => Err(FormatError::LastModified { found: found.escape_debug().to_string() }),
    }
}

fn mac(fields: &Fields<'_>) -> Result<EncryptedValue, FormatError> {
    let found = fields.text("mac")?.unwrap_or_default();
    EncryptedValue::parse(found).map_err(|why| FormatError::Sealed { path: "sops.mac".to_owned(), why })
}

/// Returns the one group in which the recipients may be written; most files have none.
fn key_group<'a>(fields: &Fields<'a>) -> Result<Option<Fields<'a>>, FormatError> {
    match fields.list("key_groups")? {
        [] => Ok(None),
        [group] => Fields::of("key_groups[0].", group).map(Some),
        several => Err(FormatError::KeyGroups { found: several.len() }),
    }
}

/// Returns the recipients of all services but age.
fn others(fields: &Fields<'_>) -> Result<Vec<OtherRecipient>, FormatError> {
    OTHER_SERVICES.iter().try_for_each(|service| fields.list(service).map(drop))?;
    let of = |(service, node): &(String, SopsNode)| match node {
        SopsNode::List(items) => items.iter().map(|item| other(service, item)).collect(),
        _ => Vec::new(),
    };
    Ok(other_lists(fields).flat_map(of).collect())
}

/// Returns the lists of all services but age that have recipients.
fn other_lists<'a>(fields: &Fields<'a>) -> impl Iterator<Item = &'a (String, SopsNode)> {
    let lists = |node: &SopsNode| matches!(node, SopsNode::List(items) if !items.is_empty());
    fields.entries.iter().filter(move |(field, node)| !OTHER_LISTS.contains(&field.as_str()) && lists(node))
}

/// Returns one list for each service.
fn joined<'a>(lists: impl Iterator<Item = &'a (String, SopsNode)>) -> Vec<(String, SopsNode)> {
    let mut all: Vec<(String, Vec<SopsNode>)> = Vec::new();
    for (service, node) in lists {
        let SopsNode::List(items) = node else { continue };
        match all.iter_mut().find(|(known, _)| known == service) {
            Some((_, known)) => known.extend(items.iter().cloned()),
            None => all.push((service.clone(), items.clone())),
        }
    }
    all.into_iter().map(|(service, items)| (service, SopsNode::List(items))).collect()
}

fn other(service: &str, node: &SopsNode) -> OtherRecipient {
    let words: Vec<&str> = match node {
        SopsNode::Map(entries) => entries
            .iter()
            .filter(|(field, _)| !NO_NAME.contains(&field.as_str()))
            .filter_map(|(_, value)| match value {
                SopsNode::Text(text) | SopsNode::Odd(text) | SopsNode::Number(text) if !text.is_empty() => {
                    Some(text.as_str())
                }
                _ => None,
            })
            .collect(),
        SopsNode::Text(text) | SopsNode::Odd(text) => vec![text],
        _ => Vec::new(),
    };
    let name = if words.is_empty() { "without a name".to_owned() } else { words.join(" ") };
    OtherRecipient { service: service.to_owned(), name }
}

fn stanzas(fields: &Fields<'_>, others: &[OtherRecipient]) -> Result<Vec<Stanza>, FormatError> {
    let stanzas: Vec<Stanza> = fields
        .list("age")?
        .iter()
        .enumerate()
        .map(|(index, node)| stanza(&Fields::of(&format!("{}age[{index}].", fields.place), node)?))
        .collect::<Result<_, _>>()?;
    if stanzas.is_empty() {
        let mut services: Vec<&str> = others.iter().map(|other| other.service.as_str()).collect();
        services.dedup();
        return Err(FormatError::NoReader { others: (!services.is_empty()).then(|| services.join(", ")) });
    }
    Ok(stanzas)
}

fn stanza(fields: &Fields<'_>) -> Result<Stanza, FormatError> {
    let required = |field: &str| match fields.text(field)? {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(FormatError::Field {
            field: format!("{}{field}", fields.place),
            expected: "a text",
            found: "empty".into(),
        }),
    };
    let stanza = Stanza { recipient: required("recipient")?, enc: required("enc")? };
    match armor_fault(&stanza.enc) {
        None => Ok(stanza),
        Some(why) => Err(FormatError::Stanza { recipient: stanza.recipient, why }),
    }
}

/// Characters that may be between the lines of an armor.
const BLANKS: [char; 3] = [' ', '\r', '\n'];

/// Checks an armored age file and returns the reason if its armor is invalid.
fn armor_fault(text: &str) -> Option<&'static str> {
    use base64::Engine;
    let text = text.trim_matches(BLANKS);
    let Some(body) = text.strip_prefix("-----BEGIN AGE ENCRYPTED FILE-----") else {
        return Some("it does not begin as an armored age file");
    };
    let Some(body) = body.strip_suffix("-----END AGE ENCRYPTED FILE-----") else {
        return Some("it does not end as an armored age file");
    };
    let body: String = body.split(BLANKS).collect();
    match base64::engine::general_purpose::STANDARD.decode(body) {
        Ok(bytes) if !bytes.is_empty() => None,
        Ok(_) => Some("it is empty"),
        Err(_) => Some("its armor is no base64"),
    }
}

/// Represents a map of the metadata. Absent, null and empty are equal: older versions wrote `"kms": null`.
pub(crate) struct Fields<'a> {
    place: String,
    entries: &'a [(String, SopsNode)],
}

impl<'a> Fields<'a> {
    fn of(place: &str, node: &'a SopsNode) -> Result<Self, FormatError> {
        match node {
            SopsNode::Map(entries) => Ok(Self { place: place.to_owned(), entries }),
            other => Err(FormatError::Field {
                field: place.trim_end_matches('.').to_owned(),
                expected: "a map",
                found: other.kind().into(),
            }),
        }
    }

    fn get(&self, field: &str) -> &'a SopsNode {
        self.entries.iter().find(|(key, _)| key == field).map_or(&SopsNode::Null, |(_, value)| value)
    }

    fn wrong(&self, field: &str, expected: &'static str, found: &SopsNode) -> FormatError {
        FormatError::Field { field: format!("{}{field}", self.place), expected, found: found.kind().into() }
    }

    pub fn text(&self, field: &str) -> Result<Option<&'a str>, FormatError> {
        match self.get(field) {
            SopsNode::Null => Ok(None),
            SopsNode::Text(text) | SopsNode::Odd(text) => Ok(Some(text)),
            other => Err(self.wrong(field, "a text", other)),
        }
    }

    fn list(&self, field: &str) -> Result<&'a [SopsNode], FormatError> {
        match self.get(field) {
            SopsNode::Null => Ok(&[]),
            SopsNode::List(items) => Ok(items),
            other => Err(self.wrong(field, "a list", other)),
        }
    }

    fn truth(&self, field: &str) -> Result<bool, FormatError> {
        match self.get(field) {
            SopsNode::Null => Ok(false),
            SopsNode::Bool(value) => Ok(*value),
            other => Err(self.wrong(field, "a truth value", other)),
        }
    }
}
