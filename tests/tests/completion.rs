//! Completion in real shells: what is inserted is quoted, nothing is run, and Nix is not asked.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use artifacts_tests::checkout::Checkout;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::program;

/// Machines whose artifacts have names that a shell would take apart or run.
fn fleet() -> Result<Checkout> {
    let checkout = Checkout::new()?;
    let key = checkout.key("admin")?;
    let machine = |name: &str, artifacts: &str| {
        format!(
            r#"nixosConfigurations."{name}" = nixpkgs.lib.nixosSystem {{ modules = [
              inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
              ({{ pkgs, ... }}: let one = {{ files.env = {{ }}; generator = pkgs.writers.writeBash "g" "true"; }}; in {{
                nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "host"; artifacts.root = ./.;
                artifacts.target = "{name}"; artifacts.default.backend = "agenix";
                artifacts.config.agenix = {{ publicHostKey = "{key}"; publicUserKeys = [ ]; }};
                artifacts.store = {{ {artifacts} }};
              }})
            ]; }};"#
        )
    };
    let names = r#"attic = one; "a b" = one; "$(touch ran)" = one; "it's" = one;"#;
    checkout.flake(&format!("{}{}", machine("web1", names), machine("db@x", "own = one;")))?;
    checkout.run(&["status"])?.ends(3);
    checkout.evaluated()?;
    // What is known is outdated, and cannot be evaluated.
    checkout.write("flake.nix", "broken")?;
    Ok(checkout)
}

/// A shell at a terminal, in which `artifacts` shows its arguments, and completes as the script of this shell says.
fn shell(checkout: &Checkout, shell: &str, arguments: &[&str], setup: &str) -> Result<Desk> {
    let script = checkout.path().join(format!("../home/completion.{shell}"));
    fs::write(&script, checkout.run(&["completions", shell])?.ends(0).stdout)?;
    let own = checkout.command(&[])?;
    let mut command = Command::new(shell);
    command.args(arguments).current_dir(checkout.path());
    for (name, value) in own.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let path = own.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).context("a PATH")?;
    let program = program()?.parent().context("a directory")?.to_owned();
    let path = std::env::join_paths([program].into_iter().chain(std::env::split_paths(path)))?;
    command.env("PATH", &path).env("TERM", "dumb").env("LANG", "C.UTF-8");
    let mut desk =
        Desk::start(&command).with_context(|| format!("{shell} is missing: `cargo xtask setup` installs it"))?;
    desk.types(&format!("{}\n", setup.replace("SCRIPT", script.to_str().unwrap())))?;
    desk.sees("it is set up")?;
    Ok(desk)
}

/// What is typed, with Tab, and what the command gets.
const LINES: [(&str, &str); 7] = [
    ("artifacts get web1/att\t\n", "<get><web1/attic>"),
    ("artifacts get web1/\\$\tenv\n", "<get><web1/$(touch ran)><env>"),
    ("artifacts get web1/a\\ \t\n", "<get><web1/a b>"),
    ("artifacts get 'web1/a \t\n", "<get><web1/a b>"),
    ("artifacts get \"web1/it\t\n", "<get><web1/it's>"),
    ("artifacts get web1/attic e\t\n", "<get><web1/attic><env>"),
    ("artifacts provision db\t/dev/shm/x\n", "<provision><db@x></dev/shm/x>"),
];

fn completes(checkout: &Checkout, desk: Desk) -> Result<()> {
    let mut desk = desk;
    for (typed, given) in LINES {
        desk.types(typed)?.sees(given)?;
    }
    desk.types("artifacts get web1/\t\t")?.sees("touch")?.types("\u{15}exit\n")?;
    desk.ends()?;
    ensure!(!checkout.path().join("ran").exists(), "a name was run");
    ensure!(!checkout.home().join("ran").exists(), "a name was run");
    let calls = fs::read_dir(checkout.path().join("../calls"))?.count();
    ensure!(calls == 0, "{calls} calls of Nix");
    Ok(())
}

#[test]
fn bash_inserts_names_quoted() -> Result<()> {
    let checkout = fleet()?;
    let setup = "PS1='> '; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; source 'SCRIPT'; \
                 artifacts() { printf '<%s>' \"$@\"; echo; }; echo it is set\\ up";
    let mut desk = shell(&checkout, "bash", &["--norc", "--noprofile", "-i"], setup)?;
    // Behind an `@` bash replaces the rest of the word alone.
    desk.types("artifacts get db@x/o\t\n")?.sees("<get><db@x/own>")?;
    // What is before the command is not the command's.
    desk.types("true | x=1 artifacts get web1/att\t\n")?.sees("<get><web1/attic>")?;
    // A machine is a prefix: no blank comes behind its slash.
    desk.types("artifacts get we\tatt\t\n")?.sees("<get><web1/attic>")?;
    completes(&checkout, desk)
}

#[test]
fn zsh_inserts_names_quoted() -> Result<()> {
    let checkout = fleet()?;
    let setup = "PS1='> '; unsetopt beep; autoload -Uz compinit; compinit -D -u; source 'SCRIPT'; \
                 artifacts() { printf '<%s>' \"$@\"; echo }; echo it is set\\ up";
    completes(&checkout, shell(&checkout, "zsh", &["-f", "-i"], setup)?)
}

#[test]
fn fish_inserts_names_quoted() -> Result<()> {
    let checkout = fleet()?;
    let setup = "source 'SCRIPT'; function artifacts; printf '<%s>' $argv; echo; end; echo it is set\\ up";
    completes(&checkout, shell(&checkout, "fish", &["--no-config", "--private", "-i"], setup)?)
}
