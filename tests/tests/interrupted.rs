//! A person who wants out in the middle of a run.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::net::TcpListener;
use std::process::Stdio;

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

/// So many artifacts.
const COUNT: usize = 20;

#[test]
fn a_run_that_was_cut_short_fails_and_tells_how_much_it_did_not_reach() -> Result<()> {
    let fleet = Fleet::new()?;
    // Each says when it is done, so that the signal comes while it is stored.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let script = format!("#!/bin/bash\necho made > $out/secret\nexec 3<>/dev/tcp/127.0.0.1/{port}\n");
    let tells = fleet.generator("tells", &script)?;
    let one = json!({"backend": "agenix", "files": {"secret": {}}, "network": true, "generator": tells});
    let all: Map<String, Value> = (0..COUNT).map(|number| (format!("a{number:02}"), one.clone())).collect();
    let fleet = fleet.machine("web1", &Value::Object(all))?;
    let mut command = fleet.command(["--json", "generate", "--accept-recipients"])?;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    listener.accept()?;
    kill_process(Pid::from_child(&child), Signal::INT)?;
    let ran: Ran = child.wait_with_output()?.into();
    let ran = ran.ends(1);
    let json = ran.json();
    let rows = json["instances"].as_array().unwrap();
    let left = rows.iter().filter(|row| row["state"] == "absent").count();
    let errors: Vec<&str> =
        json["errors"].as_array().unwrap().iter().filter_map(|error| error["message"].as_str()).collect();
    // The one that was under way may have been stored, or not.
    let stopped = errors.len() - 1;
    let told = format!("the run was ended before it reached {} instances: ", left - stopped);
    let list = errors.iter().find_map(|error| error.strip_prefix(&told)).unwrap_or_else(|| panic!("{ran}"));
    assert!(stopped <= 1 && list.contains("per-machine/web1/a"), "{ran}");
    let (all, more) = list.split_once(" and ").unwrap_or((list, "0 more"));
    let more: usize = more.trim_end_matches(" more").parse()?;
    let names: Vec<&str> = all.split(", ").collect();
    assert_eq!(names.len() + more, left - stopped, "{ran}");
    assert!(names.iter().all(|name| rows.iter().any(|row| row["name"] == **name && row["state"] == "absent")), "{ran}");
    fleet.run(["generate"])?.ends(0).says(&format!("{left} made, {} present", COUNT - left));
    Ok(())
}
