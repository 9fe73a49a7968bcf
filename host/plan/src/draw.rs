use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use artifacts_declared::InstanceName;
use petgraph::dot::{Config, Dot};
use petgraph::graph::DiGraph;
use petgraph::visit::{EdgeRef as _, IntoNodeReferences as _};

use crate::Instance;
use crate::order::graph;

/// What these instances depend on, each an arrow from who depends to what it depends on, in Graphviz' language.
pub fn dot(instances: &BTreeMap<InstanceName, Instance>, names: &BTreeSet<InstanceName>) -> String {
    Dot::with_config(&part(instances, names), &[Config::EdgeNoLabel]).to_string()
}

/// The same in Mermaid's.
pub fn mermaid(instances: &BTreeMap<InstanceName, Instance>, names: &BTreeSet<InstanceName>) -> String {
    let graph = part(instances, names);
    let mut text = "graph LR\n".to_owned();
    for (node, name) in graph.node_references() {
        let _ = writeln!(text, "    n{}[\"{}\"]", node.index(), label(&name.to_string()));
    }
    for edge in graph.edge_references() {
        let _ = writeln!(text, "    n{} --> n{}", edge.source().index(), edge.target().index());
    }
    text
}

fn part(
    instances: &BTreeMap<InstanceName, Instance>,
    names: &BTreeSet<InstanceName>,
) -> DiGraph<InstanceName, &'static str> {
    let whole = graph(instances);
    whole.filter_map(|_, name| names.contains(name).then(|| name.clone()), |_, ()| Some(""))
}

/// Mermaid reads marks in a label; by their numbers they are only themselves.
fn label(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, c| {
        let plain = c.is_alphanumeric() || " /._-@+".contains(c);
        let _ = if plain { write!(text, "{c}") } else { write!(text, "#{};", u32::from(c)) };
        text
    })
}
