//! For `cargo xtask bench --quick`, under valgrind: the work of declarations alone, without a file or a process.
//!
//! `planned WORK COUNT` with so many artifacts, ten of a machine. WORK is `parse`, `lines`, `plan`, or `pairs`, which looks at each pair of
//! instances and shows that too much work is noticed.
#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;
use std::error::Error;

use artifacts_declared::{InstanceName, Recipients, Spec};
use artifacts_plan::{EntryOwners, Facts, Said, Selector, ShortNames};
use artifacts_seam::CheckState;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("see the first lines of this file");
    let (work, count): (String, usize) = (next()?, next()?.parse()?);
    let machines = count / 10;
    let done = match work.as_str() {
        "parse" => artifacts_declared::parse(&document((0..machines).map(target)))?.targets.len(),
        "lines" => {
            let lines: String = (0..machines).map(|number| document([target(number)].into_iter()) + "\n").collect();
            artifacts_declared::from_text(&lines)?.targets.len()
        }
        "plan" => plan(&artifacts_declared::parse(&document((0..machines).map(target)))?)?,
        "pairs" => pairs(count),
        _ => return Err("see the first lines of this file".into()),
    };
    println!("{done}");
    Ok(())
}

fn document(targets: impl Iterator<Item = String>) -> String {
    let targets: Vec<String> = targets.collect();
    format!(r#"{{"schema":1,"targets":[{}]}}"#, targets.join(","))
}

/// A machine with nine artifacts of its own, each read by the next, and one that all machines share.
fn target(number: usize) -> String {
    let artifact = |index: usize| {
        let dependency = match index {
            0 => r#""shared""#.to_owned(),
            _ => format!(r#""a{}""#, index - 1),
        };
        format!(
            r#""a{index}":{{"backend":"agenix","files":{{"one":{{}},"two":{{"secret":false}}}},"dependencies":[{dependency}],
               "generator":{{"path":"/nix/store/x-generator","drv":"/nix/store/x-generator.drv","system":"x86_64-linux"}}}},"#
        )
        .replace('\n', "")
    };
    let own: String = (0..9).map(artifact).collect();
    format!(
        r#"{{"kind":"nixos","name":"m{number}","hostKey":"age1m{number}","recipients":{{"admin":"age1admin"}},"artifacts":{{{own}"shared":{{"backend":"agenix","shared":true,"files":{{"one":{{}}}}}}}}}}"#
    )
}

/// Resolves, orders, selects, names and judges all instances.
fn plan(spec: &Spec) -> Result<usize, Box<dyn Error>> {
    let resolved = artifacts_plan::instances(spec, Some("x86_64-linux"));
    let (ordered, looped) = artifacts_plan::order(&resolved.instances);
    if let Some(problem) = resolved.problems.into_iter().chain(looped).next() {
        return Err(format!("{problem:?}").into());
    }
    let names: BTreeSet<&InstanceName> = resolved.instances.keys().collect();
    let (selected, unclear) = artifacts_plan::select(&names, &[Selector::new("*/a8")]);
    if !unclear.is_empty() {
        return Err("a selector has no meaning".into());
    }
    let reach = artifacts_plan::reach(&resolved.instances, &selected);
    let owners = EntryOwners::new(spec, Vec::new());
    let short = ShortNames::new(names.into_iter().cloned());
    let said = Said::Checked { recipients: Recipients::new(), state: CheckState::Present };
    let facts = Facts::default();
    let mut done = ordered.len() + reach.len();
    for (name, instance) in &resolved.instances {
        done += usize::from(owners.owner(name).is_some()) + short.shorten(name).len();
        done += artifacts_plan::state(instance, &said, Some(&facts), 0).reasons().len();
    }
    Ok(done)
}

/// Looks at each pair, as no work of ours does.
fn pairs(count: usize) -> usize {
    let names: Vec<String> = (0..count).map(|number| format!("m{number}/a")).collect();
    names.iter().flat_map(|one| names.iter().filter(move |other| one < *other)).count()
}
