//! The copies of a file that editors keep outside of it: swap, undo, backup and history files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Says what is known of an editor.
#[derive(Debug, PartialEq, Eq)]
pub enum EditorCopies {
    /// It keeps none with these arguments, as words of a shell.
    Off(&'static str),
    /// It may keep some, whatever its arguments are. The name of the program.
    Kept(String),
    /// Nothing.
    Unknown,
}

/// `-n`: no swap file; `-i NONE`: neither viminfo nor shada. The options come after those of the person's own files.
const VIM: &str = "-n -i NONE -c 'silent! set nobackup nowritebackup noundofile noswapfile'";
/// The person's own files can switch on backups, and a log of searches and positions; no argument switches them off again.
const NANO: &str = "--ignorercfiles";
/// The file is visited after this, and after the person's own files.
const EMACS: &str = "--eval '(progn (setq make-backup-files nil auto-save-default nil auto-save-list-file-prefix nil \
    create-lockfiles nil undo-tree-auto-save-history nil desktop-save nil) (when (bound-and-true-p savehist-mode) (savehist-mode -1)))'";

/// Editors of which another process opens the file, or which keep a history, backups or unsaved files of their own.
const KEPT: [&str; 24] = [
    "atom",
    "code",
    "code-insiders",
    "code-oss",
    "codium",
    "cursor",
    "emacsclient",
    "geany",
    "gedit",
    "gnome-text-editor",
    "idea",
    "kate",
    "kwrite",
    "micro",
    "mousepad",
    "nvi",
    "nvr",
    "pluma",
    "subl",
    "sublime_text",
    "vscodium",
    "xed",
    "zed",
    "zeditor",
];

/// Looks an editor up: `command` is as a person writes it, with arguments, and its program in `search_path`. The name that was
/// written counts, and then that of the file to which it leads.
pub fn copies(command: &OsStr, search_path: &OsStr) -> EditorCopies {
    let Some(word) = program(command) else { return EditorCopies::Unknown };
    let written = Path::new(&word).file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let real = found(&word, search_path).and_then(|path| path.canonicalize().ok());
    let real = real.as_deref().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default().to_owned();
    [written, real]
        .into_iter()
        .map(known)
        .find(|copies| *copies != EditorCopies::Unknown)
        .unwrap_or(EditorCopies::Unknown)
}

fn known(name: String) -> EditorCopies {
    // `vim.basic`, `emacs-29.4`.
    let is =
        |editor: &str| name.strip_prefix(editor).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']));
    if KEPT.contains(&name.as_str()) || is("emacsclient") {
        EditorCopies::Kept(name)
    } else if ["vim", "nvim", "gvim", "rvim", "vimx"].into_iter().any(is) {
        EditorCopies::Off(VIM)
    } else if ["nano", "rnano"].into_iter().any(is) {
        EditorCopies::Off(NANO)
    } else if is("emacs") {
        EditorCopies::Off(EMACS)
    } else {
        EditorCopies::Unknown
    }
}

/// The first word of a shell command that is no assignment; none where it is more than a plain or quoted word.
fn program(command: &OsStr) -> Option<String> {
    let mut rest = std::str::from_utf8(command.as_bytes()).ok()?.trim_start();
    loop {
        let (word, after) = match rest.chars().next()? {
            quote @ ('\'' | '"') => rest[1..].split_once(quote)?,
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        let is_whole = after.is_empty() || after.starts_with(char::is_whitespace);
        if !is_whole || word.contains(['\'', '"', '\\', '$', '`', ';', '&', '|', '(', '<', '>']) {
            return None;
        }
        if !word.split_once('=').is_some_and(|(name, _)| is_variable(name)) {
            return Some(word.to_owned());
        }
        rest = after.trim_start();
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn found(word: &str, search_path: &OsStr) -> Option<PathBuf> {
    if word.contains('/') {
        return Some(PathBuf::from(word));
    }
    std::env::split_paths(search_path).map(|dir| dir.join(word)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn copies_of(command: &str) -> EditorCopies {
        copies(OsStr::new(command), OsStr::new("/nowhere"))
    }

    #[test]
    fn an_editor_is_known_by_its_name_whatever_its_arguments_are() {
        for (command, expected) in [
            ("vim", VIM),
            ("  /usr/bin/nvim -f ", VIM),
            ("'/a b/vim.basic' -u NONE", VIM),
            ("TERM=xterm LC_ALL=C vim", VIM),
            ("nano -w", NANO),
            ("\"/opt/nano\"", NANO),
            ("emacs -nw", EMACS),
            ("emacs-29.4", EMACS),
        ] {
            assert_eq!(copies_of(command), EditorCopies::Off(expected), "{command}");
        }
        for (command, name) in
            [("code --wait", "code"), ("emacsclient -t", "emacsclient"), ("emacsclient-29.4", "emacsclient-29.4")]
        {
            assert_eq!(copies_of(command), EditorCopies::Kept(name.to_owned()), "{command}");
        }
        for command in ["", " ", "./editor", "vimmer", "$PAGER", "exit 3; :", "vim;", "'vim", "'vi'm", "A=1", "vi\\m"] {
            assert_eq!(copies_of(command), EditorCopies::Unknown, "{command}");
        }
    }

    #[test]
    fn what_a_name_leads_to_counts_where_the_name_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("vim.basic"), "").unwrap();
        symlink(at("vim.basic"), at("vi")).unwrap();
        assert_eq!(copies(OsStr::new("vi"), dir.path().as_os_str()), EditorCopies::Off(VIM));
        assert_eq!(copies(at("vi").as_os_str(), OsStr::new("")), EditorCopies::Off(VIM));
        assert_eq!(copies(OsStr::new("vi"), OsStr::new("/nowhere")), EditorCopies::Unknown);
    }
}
