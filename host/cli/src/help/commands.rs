//! What the manual says of each command besides its options.

/// Exit status of commands that may leave work.
const WORK: &str = "0 success, 1 failure, 2 usage error, 3 work left";
/// Exit status of other commands.
const DONE: &str = "0 success, 1 failure, 2 usage error";

/// Holds the text of a command.
pub struct CommandText {
    /// Words of the command, as `backend list`; empty for the program itself.
    pub command: &'static str,
    /// What it does, in full sentences, a line each.
    pub description: &'static [&'static str],
    /// Command lines, and what each is for.
    pub examples: &'static [(&'static str, &'static str)],
    pub exit: &'static str,
    /// Other pages, as `artifacts-rekey(1)`.
    pub see_also: &'static [&'static str],
}

/// Returns the text of a command.
pub fn text(command: &str) -> Option<&'static CommandText> {
    TEXTS.iter().find(|text| text.command == command)
}

/// Groups of commands, as the help lists them.
pub const GROUPS: [(&str, &[&str]); 4] = [
    ("Daily work", &["status", "generate", "get", "set", "edit", "run", "rekey", "ui"]),
    ("Move and clean up", &["adopt", "rename", "import", "restore", "rotate", "prune"]),
    ("Machines", &["keygen", "provision", "activate"]),
    ("Inspect", &["graph", "audit", "backend", "doctor"]),
];

pub const TEXTS: &[CommandText] = &[
    CommandText {
        command: "",
        description: &[
            "Artifacts are declared in NixOS or Home Manager: files, prompts and a generator. `artifacts` evaluates the \
             declarations with Nix, generates what is not stored yet, and hands it to backends. A backend decides how it is \
             stored; it is a WebAssembly component that sees one entry and nothing else.",
            "Files that are declared as secret are stored encrypted. Plaintext exists in memory and on RAM-backed file systems \
             only.",
        ],
        examples: &[
            ("artifacts", "the list of commands"),
            ("artifacts status", "what needs work"),
            ("artifacts generate", "everything that is not stored yet"),
            ("artifacts get web1/attic env", "one file, decrypted"),
        ],
        exit: WORK,
        see_also: &[
            "artifacts-status(1)",
            "artifacts-generate(1)",
            "artifacts-selectors(7)",
            "artifacts-files(5)",
            "artifacts-environment(7)",
            "artifacts-backends(7)",
        ],
    },
    CommandText {
        command: "status",
        description: &[
            "An artifact is present, absent, stale, on-target, blocked or in error. Below the list is what to do; commands that \
             keep a value come first. Nothing is decrypted and nothing is written.",
            "`artifacts list` is `artifacts status --all`, and `artifacts check` is `artifacts status`.",
        ],
        examples: &[
            ("artifacts status", "all machines and users"),
            ("artifacts status web1", "one machine"),
            ("artifacts status '*/tls'", "one artifact of all machines"),
            ("artifacts status --all web1", "also what needs no work"),
            ("artifacts status --within 30d", "also what expires in the next 30 days"),
            ("artifacts --json status", "for other programs"),
        ],
        exit: WORK,
        see_also: &["artifacts-generate(1)", "artifacts-rekey(1)", "artifacts-adopt(1)", "artifacts-selectors(7)"],
    },
    CommandText {
        command: "generate",
        description: &[
            "Runs the generators of artifacts that are not stored, dependencies first, and stores their files. Prompts come first.",
            "Each file of an artifact without a generator is asked for by its name, and the answer is stored as it is.",
            "An answers file has a table for each instance and a string for each prompt. A run without a terminal prints one in which \
             each answer is a comment: what is not filled in is not answered.",
            "After public files were generated, the declarations are evaluated again, until nothing changes.",
            "A value that is stored is never replaced: that is what `rotate` does.",
        ],
        examples: &[
            ("artifacts generate", "everything that is not stored yet"),
            ("artifacts generate web1", "one machine"),
            ("artifacts generate --dry-run", "show it, write nothing"),
            ("artifacts generate --no-input --answers answers.toml", "without a terminal"),
        ],
        exit: WORK,
        see_also: &["artifacts-status(1)", "artifacts-set(1)", "artifacts-rotate(1)", "artifacts-selectors(7)"],
    },
    CommandText {
        command: "get",
        description: &[
            "Writes the bytes of one file to standard output and nothing else. A public file needs no identity. The file may be \
             left out if the artifact has only one.",
        ],
        examples: &[
            ("artifacts get web1/attic env", "one file"),
            ("artifacts get shared/ca", "its only file"),
            ("artifacts get -i ~/.ssh/id_work web1/attic env", "with another identity"),
        ],
        exit: DONE,
        see_also: &["artifacts-set(1)", "artifacts-edit(1)", "artifacts-environment(7)"],
    },
    CommandText {
        command: "run",
        description: &[
            "All files of the selected artifacts are decrypted into a RAM-backed directory that is removed when the command ends. \
             `--env` sets a variable to one file instead. The command sees no variable that leads to a private key.",
        ],
        examples: &[
            ("artifacts run web1/attic -- sh -c 'cat \"$ARTIFACTS_DIR\"/web1/attic/env'", "with a file"),
            ("artifacts run --env TOKEN=web1/attic/token -- ./deploy", "with a variable"),
        ],
        exit: "0 success, 1 failure, 2 usage error; otherwise that of CMD",
        see_also: &["artifacts-get(1)", "artifacts-environment(7)"],
    },
    CommandText {
        command: "set",
        description: &[
            "Replaces one file. The value is asked for at the terminal; otherwise it is standard input, byte for byte. The other \
             files of the artifact are kept. The old entry stays in the trash for at least 30 days.",
            "The first value of an artifact without a generator is stored if no other file of it needs one: the others are stored empty.",
        ],
        examples: &[
            ("artifacts set web1/attic env", "asks for the value"),
            ("artifacts set web1/attic env < env.txt", "from a file"),
            ("artifacts set --dry-run web1/attic env", "show it, write nothing"),
        ],
        exit: WORK,
        see_also: &["artifacts-get(1)", "artifacts-edit(1)", "artifacts-files(5)"],
    },
    CommandText {
        command: "edit",
        description: &[
            "Decrypts one file to RAM-backed storage, opens it in an editor, and stores it when the editor ends and the file \
             changed. The editor is $VISUAL, otherwise $EDITOR, otherwise `vi`.",
            "vim, nvim, nano and emacs are started so that they keep no copies of the file. Before another editor that is known to keep \
             some gets a secret, it is named, and asked about once on this machine.",
        ],
        examples: &[
            ("artifacts edit web1/attic env", "one file"),
            ("artifacts edit --dry-run web1/attic env", "show it, decrypt nothing"),
        ],
        exit: WORK,
        see_also: &["artifacts-get(1)", "artifacts-set(1)", "artifacts-environment(7)"],
    },
    CommandText {
        command: "rekey",
        description: &[
            "Compares the declared recipients, backend, format and storage of each stored file with those in its receipt. Decrypts \
             and re-encrypts the files that differ, and drops files that are no longer declared. Values do not change. An interrupted \
             run continues the next time.",
            "A value is decrypted by the backend that stored it, and encrypted by the declared one, in memory. What another backend, \
             format or storage gets is decrypted once more and compared before the old entry goes to the trash.",
        ],
        examples: &[
            ("artifacts rekey", "after keys, recipients or a backend changed"),
            ("artifacts rekey --dry-run", "show for whom"),
            ("artifacts rekey --all web1", "one machine, changed or not"),
        ],
        exit: WORK,
        see_also: &["artifacts-status(1)", "artifacts-adopt(1)", "artifacts-selectors(7)"],
    },
    CommandText {
        command: "rename",
        description: &[
            "Stores a value under another name: the new one is declared, and the old one is stored. Values do not change, and what was \
             generated from them stays up to date. Who gains access is shown, and asked about. A name that has a value already is left \
             as it is.",
            "OLD and NEW are two instances, or two machines or users, of which every artifact that both have is renamed. After \
             `git mv` of an entry, OLD is found in the place of NEW. The old entry goes to the trash once the new one was decrypted \
             and compared. An interrupted run continues the next time.",
        ],
        examples: &[
            ("artifacts rename web1/attic-old web1/attic", "one artifact"),
            ("artifacts rename web1 web2", "all of a machine"),
            ("artifacts rename web1/ca shared/ca", "an artifact that became shared"),
            ("artifacts rename --dry-run web1 web2", "show for whom"),
        ],
        exit: WORK,
        see_also: &["artifacts-rekey(1)", "artifacts-prune(1)", "artifacts-selectors(7)"],
    },
    CommandText {
        command: "provision",
        description: &[
            "Writes secret files that have `deploy = false` and their own `path`, such as the host key of a new machine, below \
             DIR, with their paths and modes. DIR appears only when it is complete, and has to be on a RAM-backed file system.",
        ],
        examples: &[
            ("artifacts provision web1 \"$XDG_RUNTIME_DIR/web1\"", "for an installer"),
            ("artifacts provision --dry-run web1 /dev/shm/web1", "show it, decrypt nothing"),
        ],
        exit: DONE,
        see_also: &["artifacts-activate(1)", "artifacts-files(5)"],
    },
    CommandText {
        command: "adopt",
        description: &[
            "Writes a new receipt for stored files that were added or modified outside `artifacts`, such as with sops. Nothing is \
             decrypted, and no value changes. Files that belong to another artifact are rejected.",
            "By name it also accepts a value that is outdated, or older than the last that this machine stored, as a checkout of an older commit \
             brings it back.",
        ],
        examples: &[
            ("artifacts adopt", "everything that was modified"),
            ("artifacts adopt --dry-run", "show it, write nothing"),
            ("artifacts adopt web1/attic", "also an expired value"),
        ],
        exit: WORK,
        see_also: &["artifacts-status(1)", "artifacts-rekey(1)", "artifacts-files(5)"],
    },
    CommandText {
        command: "prune",
        description: &[
            "Moves entries that are no longer declared to the trash of their storage, where they stay for at least 30 days. \
             Entries of a target that failed to evaluate are kept.",
            "With `--trash` it empties the trash instead: it lists what `restore` could bring back, by artifact and time, asks, and removes it \
             for good. What another machine or program put into the trash is left; entries leave it after 30 days.",
        ],
        examples: &[
            ("artifacts prune --dry-run", "list them"),
            ("artifacts prune", "asks, then moves them"),
            ("artifacts prune --yes web1/attic-old", "one entry, without asking"),
            ("artifacts prune --trash web1/attic", "removes its old values for good"),
        ],
        exit: DONE,
        see_also: &["artifacts-restore(1)", "artifacts-status(1)", "artifacts-files(5)", "artifacts-selectors(7)"],
    },
    CommandText {
        command: "import",
        description: &[
            "Takes over secrets of agenix, sops-nix, agenix-rekey, clan vars or nixos-artifacts, in two runs. It changes and removes no \
             file of the other tool.",
            "The first run evaluates what the other tool has in each configuration. What is not declared as an artifact yet is printed as \
             a module, or written with `--write`, never over an existing file. Beside it stand the new references, and what has no place, \
             with what to do.",
            "Once the module is imported, the second run takes the values of what is declared and absent. Where the file is encrypted to \
             the declared recipients, it is stored as it is, without any identity; otherwise it is decrypted, in memory only.",
        ],
        examples: &[
            ("artifacts import agenix --write imported.nix", "the declarations, into a file"),
            ("artifacts import agenix", "the values, once declared"),
            ("artifacts import sops --dry-run", "show it, write nothing"),
            ("artifacts --json import clan", "for other programs"),
        ],
        exit: WORK,
        see_also: &["artifacts-adopt(1)", "artifacts-set(1)", "artifacts-status(1)", "artifacts-rekey(1)"],
    },
    CommandText {
        command: "restore",
        description: &[
            "Commands that replace or remove an entry move the old one to the trash of its storage, where it stays for at least 30 days. \
             `restore` moves it back, and what it replaces to the trash: the same command undoes it. Nothing is decrypted.",
            "Before it asks, it shows who can decrypt the old value, which of them are not accepted any more, and whether a newer value was \
             generated since. Only what this machine moved to the trash is offered.",
            "Without a selector it lists the trash: time, artifact, and the command that moved it there.",
        ],
        examples: &[
            ("artifacts restore", "list what can be restored"),
            ("artifacts restore web1/attic", "the newest entry of an artifact"),
            ("artifacts restore --at 2026-11-02T13:58 web1/attic", "an older one"),
            ("artifacts restore --dry-run 'web1/*'", "show it, restore nothing"),
        ],
        exit: WORK,
        see_also: &["artifacts-prune(1)", "artifacts-status(1)", "artifacts-files(5)", "artifacts-selectors(7)"],
    },
    CommandText {
        command: "rotate",
        description: &[
            "Generates new values of artifacts that are stored, dependencies first; prompts come first. It asks before it replaces anything, \
             and shows what is stale then and which units restart. The old values stay in the trash for at least 30 days.",
            "An artifact that is declared with `rotation = \"manual\"` is only listed, unless it is named in full (`web1/disk-key`): \
             more has to be done for it than to deploy a new value.",
            "With `--recipient` it first lists what someone could read: by what is stored, the trash of this machine, all of git's history \
             in this clone, and what this machine accepted. Nothing of it is selected: you answer for each value, or pass selectors. Whose \
             a key is, is known by what was accepted here. What could not be searched is reported.",
        ],
        examples: &[
            ("artifacts rotate web1/attic", "one value"),
            ("artifacts rotate --stale", "all that are outdated"),
            ("artifacts rotate --recipient alice", "what alice could read"),
            ("artifacts rotate --recipient alice --yes 'web1/*'", "that of one machine"),
            ("artifacts rotate --dry-run '*/tls'", "show it, write nothing"),
            ("artifacts rotate --yes --no-input web1/attic", "without a terminal"),
        ],
        exit: WORK,
        see_also: &[
            "artifacts-generate(1)",
            "artifacts-restore(1)",
            "artifacts-status(1)",
            "artifacts-set(1)",
            "artifacts-selectors(7)",
        ],
    },
    CommandText {
        command: "keygen",
        description: &[
            "Generates an age key and prints the line that declares its recipient. The file is readable by you alone, and nothing \
             that exists is overwritten.",
            "With `--plugin NAME` the age plugin generates the key in hardware; it may ask you. Its own arguments follow after `--`.",
        ],
        examples: &[
            ("artifacts keygen -o ~/.config/sops/age/keys.txt", "where `artifacts` and sops look for it"),
            ("artifacts keygen --pq -o key.txt", "a post-quantum key"),
            ("artifacts keygen --plugin yubikey -o yubikey.txt", "a key in a YubiKey"),
        ],
        exit: DONE,
        see_also: &["artifacts-rekey(1)", "artifacts-environment(7)"],
    },
    CommandText {
        command: "activate",
        description: &[
            "Generates the artifacts of backends that work on the target, such as `dummy`. The modules run it at activation.",
        ],
        examples: &[("artifacts activate", "everything that is declared on-target")],
        exit: DONE,
        see_also: &["artifacts-provision(1)", "artifacts-backends(7)"],
    },
    CommandText {
        command: "graph",
        description: &["Prints artifacts and the artifacts whose files their generators read. Nothing is decrypted."],
        examples: &[("artifacts graph", "for Graphviz"), ("artifacts graph --format mermaid web1", "one machine")],
        exit: DONE,
        see_also: &["artifacts-status(1)", "artifacts-selectors(7)"],
    },
    CommandText {
        command: "audit",
        description: &[
            "Summarizes the audit log by backend: what it could access, what it accessed, and what it was denied. The log has a \
             line before each call of a backend and one after, chained by hash.",
        ],
        examples: &[
            ("artifacts audit", "a summary"),
            ("artifacts audit --since yesterday web1", "one machine"),
            ("artifacts audit --backend vendor --all", "every record of a backend"),
            ("artifacts audit --check", "for CI"),
        ],
        exit: DONE,
        see_also: &["artifacts-backend(1)", "artifacts-backends(7)", "artifacts-files(5)"],
    },
    CommandText {
        command: "doctor",
        description: &[
            "Checks what commands depend on: the sandboxes of backends and generators, the RAM-backed directory, swap, Nix and its \
             settings, what git knows of the storages, stored files against their receipts, identities, age plugins, the directory of \
             what was accepted, and the audit log. Each finding has its remedy.",
            "Nothing is evaluated, decrypted or written, and the network is not used. Identities are found by their place and not read \
             beyond what tells their kind. The checkout is the directory of the flake, or that of --root.",
            "A finding is broken if commands fail or must not trust what was found, and work if something is weaker than it could be, \
             is left to do or cannot be determined. The rest is counted.",
        ],
        examples: &[
            ("artifacts doctor", "everything"),
            ("artifacts doctor --all", "also what is as it should be"),
            ("artifacts doctor git receipts", "the stored files only"),
            ("artifacts --json doctor", "for other programs"),
        ],
        exit: "0 all is as it should be, 1 something is broken, 2 usage error, 3 work left",
        see_also: &["artifacts-status(1)", "artifacts-audit(1)", "artifacts-environment(7)", "artifacts-files(5)"],
    },
    CommandText {
        command: "backend",
        description: &["Backends store entries. These commands show and prepare them, and call none."],
        examples: &[("artifacts backend list", "all backends")],
        exit: DONE,
        see_also: &[
            "artifacts-backend-list(1)",
            "artifacts-backend-explain(1)",
            "artifacts-backend-inspect(1)",
            "artifacts-backend-annotate(1)",
            "artifacts-backends(7)",
        ],
    },
    CommandText {
        command: "backend annotate",
        description: &["Writes a manifest into a component. Backends that use the SDK have it already."],
        examples: &[("artifacts backend annotate --manifest manifest.json mine.wasm", "in place")],
        exit: DONE,
        see_also: &["artifacts-backend-inspect(1)", "artifacts-backends(7)"],
    },
    CommandText {
        command: "backend explain",
        description: &["Shows what a backend may do, and for each grant and limit where it comes from."],
        examples: &[("artifacts backend explain vendor", "before its grants are accepted")],
        exit: DONE,
        see_also: &["artifacts-audit(1)", "artifacts-backends(7)"],
    },
    CommandText {
        command: "backend list",
        description: &["Lists the bundled backends and those that the flake or `--backends` registers."],
        examples: &[("artifacts backend list", "all backends")],
        exit: DONE,
        see_also: &["artifacts-backend-explain(1)", "artifacts-backends(7)"],
    },
    CommandText {
        command: "backend inspect",
        description: &["Reads a component without running it, and names the first import or export that does not fit."],
        examples: &[
            ("artifacts backend inspect mine.wasm", "a file"),
            ("artifacts backend inspect builtin:agenix", "a bundled backend"),
        ],
        exit: DONE,
        see_also: &["artifacts-backend-annotate(1)", "artifacts-backends(7)"],
    },
    CommandText {
        command: "sops-config",
        description: &["The file lets `sops updatekeys` and `sops edit` find the recipients that are declared."],
        examples: &[
            ("artifacts sops-config --write", "for all artifacts of sops-nix; own rules stay"),
            ("artifacts sops-config web1", "only print those of a machine"),
        ],
        exit: DONE,
        see_also: &["artifacts-rekey(1)", "artifacts-files(5)"],
    },
    CommandText {
        command: "schema",
        description: &["Prints a JSON Schema of what `artifacts` reads or writes."],
        examples: &[
            ("artifacts schema", "the declarations that Nix evaluates"),
            ("artifacts schema report", "the output with --json"),
            ("artifacts schema doctor", "that of `artifacts doctor`"),
        ],
        exit: DONE,
        see_also: &["artifacts-files(5)"],
    },
    CommandText {
        command: "completions",
        description: &[
            "The scripts of bash, zsh and fish complete commands, options, machines, users, artifacts, files and backends. Names \
             are those of the newest evaluation; nothing is evaluated while you type. The packages install the scripts.",
        ],
        examples: &[(
            "artifacts completions bash > ~/.local/share/bash-completion/completions/artifacts",
            "for one user",
        )],
        exit: DONE,
        see_also: &["artifacts-selectors(7)", "artifacts-files(5)"],
    },
    CommandText {
        command: "man",
        description: &[
            "Prints a page of the manual, or writes all pages. The packages install them.",
            "A page is text at a terminal, and roff, which `man` reads, in a pipe or a file.",
        ],
        examples: &[
            ("artifacts man selectors > selectors.7", "one page"),
            ("artifacts man --dir share/man", "all pages"),
        ],
        exit: DONE,
        see_also: &["artifacts-help(1)"],
    },
    CommandText {
        command: "help",
        description: &[
            "Prints the help of a command, or one of the topics global, selectors, files, environment, backends, exit.",
        ],
        examples: &[
            ("artifacts help", "the list of commands"),
            ("artifacts help generate", "a command"),
            ("artifacts help selectors", "a topic"),
        ],
        exit: DONE,
        see_also: &["artifacts-man(1)"],
    },
];
