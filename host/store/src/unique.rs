//! Maps and sets that reject a key that is given twice: what people read first is then what the program uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use artifacts_declared::{Recipients, Shared};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::few::Few;

pub(crate) fn map<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(MapVisitor(PhantomData))
}

pub(crate) fn set<'de, D, K>(deserializer: D) -> Result<BTreeSet<K>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
{
    deserializer.deserialize_seq(SetVisitor(PhantomData))
}

/// Reads a map of which many receipts have an equal one.
pub(crate) fn shared_map<'de, D, K, V>(deserializer: D) -> Result<Shared<BTreeMap<K, V>>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    map(deserializer).map(Shared::from)
}

/// Reads a set of which many receipts have an equal one.
pub(crate) fn shared_set<'de, D, K>(deserializer: D) -> Result<Shared<BTreeSet<K>>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
{
    set(deserializer).map(Shared::from)
}

pub(crate) fn map_of_sets<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, BTreeSet<V>>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de> + Ord,
{
    let sets: BTreeMap<K, Unique<V>> = map(deserializer)?;
    Ok(sets.into_iter().map(|(key, set)| (key, set.0)).collect())
}

/// Reads a map of few entries, in no more memory than they take.
pub(crate) fn few<'de, D, K, V>(deserializer: D) -> Result<Few<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    Ok(compact(map(deserializer)?))
}

/// Reads a map of few sets of few entries, in no more memory than they take.
pub(crate) fn few_of_sets<'de, D, K, V>(deserializer: D) -> Result<Few<K, Box<[V]>>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de> + Ord,
{
    let sets = map_of_sets(deserializer)?;
    Ok(compact(sets.into_iter().map(|(key, set)| (key, set.into_iter().collect())).collect()))
}

fn compact<K: Ord, V>(map: BTreeMap<K, V>) -> Few<K, V> {
    Few::from_sorted_store_unchecked(map.into_iter().collect())
}

/// Writes such a map.
pub(crate) fn as_map<S: Serializer, K: Serialize, V: Serialize>(
    map: &Few<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map)
}

pub(crate) fn recipients<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Recipients, D::Error> {
    map_of_sets(deserializer).map(|by_file: BTreeMap<_, _>| by_file.into())
}

struct Unique<K>(BTreeSet<K>);

impl<'de, K: Deserialize<'de> + Ord> Deserialize<'de> for Unique<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        set(deserializer).map(Self)
    }
}

struct MapVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for MapVisitor<K, V> {
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = access.next_entry()? {
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is given twice"));
            }
        }
        Ok(map)
    }
}

struct SetVisitor<K>(PhantomData<K>);

impl<'de, K: Deserialize<'de> + Ord> Visitor<'de> for SetVisitor<K> {
    type Value = BTreeSet<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut set = BTreeSet::new();
        while let Some(entry) = access.next_element()? {
            if !set.insert(entry) {
                return Err(A::Error::custom("an entry is given twice"));
            }
        }
        Ok(set)
    }
}
