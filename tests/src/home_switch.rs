//! Switching a user to another configuration as Home Manager does: files first, then what `sd-switch` tells which units.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use anyhow::Result;

use crate::systemd::{Configuration, Machine};

/// A unit as it is compared: its lines and those of what only adds to it, but for what people read.
fn lines(home: &Configuration, unit: &str) -> Option<Vec<String>> {
    let own = home.unit(unit)?.to_owned();
    let dir = format!("systemd/user/{unit}.d/");
    let added =
        home.config_files().filter(|(path, _)| path.starts_with(&dir)).filter_map(|(_, file)| file["text"].as_str());
    let whole = own + &added.collect::<String>();
    let kept = whole.lines().filter(|line| !line.starts_with("Description=") && !line.starts_with("Documentation="));
    Some(kept.map(str::to_owned).collect())
}

/// What is done with a unit that is active and was there before.
fn verb(old: Option<&[String]>, new: Option<&[String]>) -> Option<&'static str> {
    let (Some(old), Some(new)) = (old, new) else { return Some(if new.is_none() { "stop" } else { "again" }) };
    let besides = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("X-Reload-Triggers=")).cloned().collect()
    };
    let says = |line: &str| new.iter().any(|one| one == line);
    if old == new {
        None
    } else if besides(old) == besides(new) {
        Some("reload")
    } else if let Some(method) = new.iter().find_map(|line| line.strip_prefix("X-SwitchMethod=")) {
        match method {
            "reload" => Some("reload"),
            "restart" => Some("restart"),
            "keep-old" => None,
            _ => Some("again"),
        }
    } else if says("X-ReloadIfChanged=true") {
        Some("reload")
    } else if says("X-RestartIfChanged=false") {
        None
    } else if says("X-StopIfChanged=false") {
        Some("restart")
    } else {
        Some("again")
    }
}

/// The script that `sd-switch` is for one switch. What is wanted and not active is started.
fn script(from: &Configuration, to: &Configuration) -> String {
    let names: BTreeSet<String> = from.units().into_iter().chain(to.units()).collect();
    let mut script =
        "active() { systemctl --user show --value -p ActiveState -- \"$1\" | grep -qxE 'active|activating'; }\n\
                      stop=(); reload=(); restart=(); start=()\n"
            .to_owned();
    for name in &names {
        let [old, new] = [from, to].map(|home| lines(home, name));
        let plan = match verb(old.as_deref(), new.as_deref()) {
            Some("again") => format!("stop+=('{name}'); start+=('{name}')"),
            Some(verb) => format!("{verb}+=('{name}')"),
            None => ":".to_owned(),
        };
        let else_start = if to.is_wanted(name) { format!("start+=('{name}')") } else { ":".to_owned() };
        let _ = writeln!(script, "if active '{name}'; then {plan}; else {else_start}; fi");
    }
    script
        + "for verb in stop reset-failed daemon-reload reload restart start; do case $verb in\n\
           reset-failed|daemon-reload) systemctl --user $verb;;\n\
           *) declare -n units=$verb; ((${#units[@]} == 0)) || systemctl --user $verb -- \"${units[@]}\" || true;;\n\
           esac; done\n"
}

/// Switches a user, whose home is `/etc/home`, to another configuration. `as_user` makes the user's call of a shell command.
///
/// # Errors
/// When a file cannot be written; a unit that fails is none.
pub fn switch_home(
    machine: &Machine,
    from: &Configuration,
    to: &Configuration,
    as_user: impl Fn(&str) -> String,
) -> Result<()> {
    to.write_home(&machine.shared().join("home"))?;
    fs::write(machine.shared().join("sd-switch"), script(from, to))?;
    // The new ones are there before the old ones are gone.
    machine.sh("cd /run/shared/home/home; cp -a --remove-destination .config /etc/home/; cd /etc/home; \
         find .config ! -type d | while read -r file; do \
           test -e \"/run/shared/home/home/$file\" -o -L \"/run/shared/home/home/$file\" || rm \"$file\"; done; \
         rm -r /run/shared/home")?;
    machine.sh(&as_user("bash -e /run/shared/sd-switch")).map(drop)
}
