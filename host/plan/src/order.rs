use std::collections::BTreeMap;

use artifacts_declared::InstanceName;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::{Instance, Problem};

/// Puts instances behind what they depend on; among equals the order of names holds. Instances on a cycle, and those
/// behind one, come back as problems that show the cycle.
pub fn order(instances: &BTreeMap<InstanceName, Instance>) -> (Vec<InstanceName>, Vec<Problem>) {
    let graph = graph(instances);
    let mut ordered = Vec::new();
    let mut on_cycle: Vec<InstanceName> = Vec::new();
    let mut problems = Vec::new();
    // Components come in reverse topological order of the edges dependent -> dependency: dependencies first.
    for component in petgraph::algo::tarjan_scc(&graph) {
        let looped = component.len() > 1 || component.iter().any(|n| graph.contains_edge(*n, *n));
        for node in &component {
            let name = &graph[*node];
            if looped {
                on_cycle.push(name.clone());
                problems.push(cycle_problem(&graph, *node, &component));
            } else if let Some(bad) = graph.neighbors(*node).map(|n| &graph[n]).find(|n| on_cycle.contains(n)) {
                let message = format!("its dependency {bad} is part of a cycle");
                problems.push(Problem::new(name.clone(), message, format!("break the cycle of {bad} first")));
                on_cycle.push(name.clone());
            } else {
                ordered.push(name.clone());
            }
        }
    }
    (ordered, problems)
}

/// An edge from each instance to what it depends on.
pub(crate) fn graph(instances: &BTreeMap<InstanceName, Instance>) -> DiGraph<InstanceName, ()> {
    let mut graph = DiGraph::new();
    let nodes: BTreeMap<&InstanceName, NodeIndex> =
        instances.keys().map(|name| (name, graph.add_node(name.clone()))).collect();
    for (name, instance) in instances {
        for dependency in instance.dependencies.values() {
            if let (Some(from), Some(to)) = (nodes.get(name), nodes.get(dependency)) {
                graph.add_edge(*from, *to, ());
            }
        }
    }
    graph
}

/// Walks from a node inside its component until it comes back.
fn cycle_problem(graph: &DiGraph<InstanceName, ()>, start: NodeIndex, component: &[NodeIndex]) -> Problem {
    let mut path = vec![start];
    let mut here = start;
    while let Some(next) = graph.neighbors(here).find(|n| component.contains(n) && (*n == start || !path.contains(n))) {
        if next == start {
            break;
        }
        path.push(next);
        here = next;
    }
    let mut shown: Vec<String> = path.iter().map(|n| graph[*n].to_string()).collect();
    shown.push(graph[start].to_string());
    let message = format!("dependency cycle: {}", shown.join(" -> "));
    Problem::new(graph[start].clone(), message, "remove one of these from `dependencies`")
}
