//! The scripts that connect a shell with completion.

use clap::Command;
use clap_complete::Shell;

/// Returns the script for a shell. Those of bash, zsh and fish ask `artifacts complete` for names; others know commands and options.
pub fn script(shell: Shell, mut command: Command) -> String {
    match shell {
        Shell::Bash => include_str!("scripts/artifacts.bash").to_owned(),
        Shell::Zsh => include_str!("scripts/artifacts.zsh").to_owned(),
        Shell::Fish => include_str!("scripts/artifacts.fish").to_owned(),
        other => {
            let mut script = Vec::new();
            clap_complete::generate(other, &mut command, "artifacts", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::commands::Cli;

    #[test]
    fn no_script_evaluates_what_is_typed() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell, Cli::command());
            assert!(script.contains("artifacts complete"), "{shell}");
            for danger in ["eval", "compgen", "source", "$(", "`'"] {
                let code = script.lines().filter(|line| !line.starts_with('#')).collect::<String>();
                assert!(!code.contains(danger), "{shell}: {danger}");
            }
        }
    }
}
