//! Whole pages, as they are drawn: what needs work, what was done, and how little is said of what is well.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::sync::Arc;

use artifacts_declared::InstanceName;
use artifacts_plan::{InstanceState, Reason, ReasonKind, ShortNames};
use artifacts_report::{
    Effect, Failure, FileChange, Hint, InstanceRow, Need, NowStale, Orphaned, Report, ReportPage, RowAction, RowFilter,
    Side, Style, Unstaged,
};

const DAY: u64 = 24 * 60 * 60;

fn style(report: &Report, width: usize) -> Style {
    let names = Arc::new(ShortNames::new(report.rows.keys().cloned()));
    Style { width, foreign: 20, verbose: false, names }
}

/// The page without its colors.
fn plain(ReportPage { head, tail }: &ReportPage) -> String {
    let separator = if head.is_empty() || tail.is_empty() { "" } else { "\n" };
    let text = format!("{head}{separator}{tail}");
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
}

fn status(report: &Report, width: usize) -> String {
    plain(&report.status_page(RowFilter::Work, &style(report, width)))
}

fn name(text: &str) -> InstanceName {
    if text.starts_with("shared/") { text.parse() } else { format!("per-machine/{text}").parse() }.unwrap()
}

fn row(state: InstanceState) -> InstanceRow {
    InstanceRow::new(Some("agenix".to_owned()), state)
}

fn stale(kind: ReasonKind, why: &str) -> InstanceState {
    InstanceState::Stale(vec![Reason::new(kind, why)])
}

fn command(effect: Effect, words: &[&str]) -> Hint {
    Hint::command(effect, words.iter().copied())
}

/// The fleet that is drawn.
fn fleet() -> Report {
    let full = |text: &str| name(text).to_string();
    let generate = |text: &str| vec![command(Effect::Generates, &["artifacts", "generate", &full(text)])];
    let mut report = Report { is_complete: true, ..Report::default() };
    let acme = InstanceRow {
        hints: generate("web1/acme-dns"),
        prompts: vec!["api-token".to_owned()],
        ..row(InstanceState::Absent)
    };
    let attic = InstanceRow {
        hints: vec![command(Effect::Keeps, &["artifacts", "rekey", &full("web1/attic")])],
        ..row(stale(ReasonKind::Recipients, "+mail1 -admin2"))
    };
    let postgres = InstanceRow {
        hints: vec![
            command(Effect::Replaces, &["artifacts", "rotate", &full("db1/postgres-admin")]),
            command(Effect::Keeps, &["artifacts", "adopt", &full("db1/postgres-admin")]),
        ],
        ..row(stale(ReasonKind::Expired, "expired 3 days ago"))
    };
    let ca = InstanceRow {
        hints: vec![
            command(Effect::Keeps, &["artifacts", "adopt", "shared/tls-ca"]),
            command(Effect::Undoes, &["git", "restore", "--", "secrets/shared/tls-ca"]),
        ],
        ..row(stale(ReasonKind::Receipt, "`key.age` was modified outside artifacts"))
    };
    let smtp = InstanceRow {
        unstaged: Some(Unstaged {
            why: "git does not track it, so Nix cannot see it".to_owned(),
            hints: vec![command(Effect::Keeps, &["git", "add", "--", "secrets/per-machine/web2/smtp"])],
        }),
        staged: Some(false),
        ..row(InstanceState::Present)
    };
    let tunnel = InstanceRow {
        needs: Some(Need { instance: name("leaf/wireguard"), file: Some("public".to_owned()) }),
        ..row(InstanceState::Blocked)
    };
    let why = "unknown backend `agnix`; did you mean `agenix`?";
    let expiring = |days: u64| InstanceRow { expires_in: Some(days * DAY), ..row(InstanceState::Present) };
    report.rows = [
        (name("web1/acme-dns"), acme),
        (name("web1/wg"), InstanceRow { hints: generate("web1/wg"), ..row(InstanceState::Absent) }),
        (name("web1/attic"), attic),
        (name("db1/postgres-admin"), postgres),
        (name("shared/tls-ca"), ca),
        (name("web2/smtp"), smtp),
        (name("web2/tunnel"), tunnel),
        (name("web3/backup"), row(InstanceState::Error(why.to_owned()))),
        (name("leaf/wireguard"), row(InstanceState::Present)),
        (name("db1/tls"), expiring(12)),
        (name("web1/acme"), expiring(9)),
        (name("web1/session"), row(InstanceState::OnTarget)),
    ]
    .into();
    report.errors = vec![Failure::new(full("web3/backup"), why), Failure::new("nixos web9", "cannot evaluate")];
    report.orphaned = vec![Orphaned::new(full("web1/attic-old"), "secrets".to_owned(), None, None)];
    report
}

#[test]
fn status_lists_what_needs_work_and_counts_the_rest() {
    let report = fleet();
    let drawn = "\
absent     web1/acme-dns        prompts for api-token
absent     web1/wg
stale      db1/postgres-admin   expired 3 days ago
stale      web1/attic           recipients: +mail1 -admin2
stale      shared/tls-ca        `key.age` was modified outside artifacts
unstaged   web2/smtp            git does not track it, so Nix cannot see it
orphaned   web1/attic-old       no longer declared
blocked    web2/tunnel          needs `public` of leaf/wireguard
error      web3/backup          unknown backend `agnix`; did you mean `agenix`?

expiring:  web1/acme in 9 days, db1/tls in 12 days

next
  2 absent                artifacts generate
  1 recipients            artifacts rekey
  1 expired, keep         artifacts adopt db1/postgres-admin
  1 expired, new value    artifacts rotate db1/postgres-admin
  1 modified, keep        artifacts adopt shared/tls-ca
  1 modified, undo        git restore -- secrets/shared/tls-ca
  1 unstaged              git add -- secrets/per-machine/web2/smtp
  1 orphaned, keep        artifacts rename web1/attic-old NEW
  1 orphaned, trash       artifacts prune web1/attic-old

12 artifacts: 4 present, 1 on-target, 2 absent, 3 stale, 1 blocked, 1 error
";
    assert_eq!(status(&report, 80), drawn);
    assert_eq!(status(&report, usize::MAX), drawn, "a pipe has the same words");
    let left: Vec<String> = report.errors_without_row().into_iter().map(|failure| failure.subject).collect();
    assert_eq!(left, ["nixos web9"], "what a row says is said once");
}

#[test]
fn what_is_well_is_a_number() {
    let rows = (0..179).map(|at| (name(&format!("web{at}/a")), row(InstanceState::Present)));
    let on_target = (name("web1/session"), row(InstanceState::OnTarget));
    let report = Report { rows: rows.chain([on_target]).collect(), ..Report::default() };
    assert_eq!(status(&report, 80), "180 artifacts: 179 present, 1 on-target\n");
}

#[test]
fn many_of_one_state_and_reason_are_one_row() {
    let absent = |at: usize| {
        let name = name(&format!("web{}/a{at}", at % 60));
        let hints = vec![command(Effect::Generates, &["artifacts", "generate", &name.to_string()])];
        (name, InstanceRow { hints, prompts: vec![format!("p{at}")], ..row(InstanceState::Absent) })
    };
    let mut report = Report { rows: (0..180).map(absent).collect(), is_complete: true, ..Report::default() };
    let drawn = "\
absent     180 artifacts in 60 machines; -v lists them

next
  180 absent              artifacts generate

180 artifacts: 180 absent
";
    assert_eq!(status(&report, 80), drawn);
    let verbose = Style { verbose: true, ..style(&report, 80) };
    assert_eq!(plain(&report.status_page(RowFilter::Work, &verbose)).matches("\nabsent ").count(), 179);
    for row in report.rows.values_mut() {
        row.state = stale(ReasonKind::Dependency, "shared/ca was regenerated");
    }
    let page = status(&report, 80);
    assert!(page.starts_with("stale      180 artifacts in 60 machines; -v lists them\n           dependency: shared/ca was regenerated\n\n"), "{page}");
}

#[test]
fn everything_is_listed_with_backend_recipients_and_day() {
    let present =
        |day: &str| InstanceRow { recipients: Some(2), day: Some(day.to_owned()), ..row(InstanceState::Present) };
    let attic = InstanceRow { state: stale(ReasonKind::Recipients, "+mail1 -admin2"), ..present("2026-10-14") };
    let session = InstanceRow { backend: Some("dummy".to_owned()), ..row(InstanceState::OnTarget) };
    let rows = [
        (name("web1/acme-dns"), present("2026-11-02")),
        (name("web1/attic"), attic),
        (name("web1/session"), session),
        (name("web1/wg"), present("2026-11-02")),
    ]
    .into();
    let report = Report { rows, ..Report::default() };
    let drawn = "\
present    web1/acme-dns   agenix   2 recipients   2026-11-02
stale      web1/attic      agenix   2 recipients   2026-10-14
           recipients: +mail1 -admin2
on-target  web1/session    dummy
present    web1/wg         agenix   2 recipients   2026-11-02

4 artifacts: 2 present, 1 on-target, 1 stale
";
    assert_eq!(plain(&report.status_page(RowFilter::All, &style(&report, 80))), drawn);
}

#[test]
fn a_command_lists_what_it_did_and_counts_the_rest() {
    let done = |action, recipients| InstanceRow {
        done: Some(action),
        staged: Some(true),
        recipients: Some(recipients),
        ..row(InstanceState::Present)
    };
    let public = |text: &str| Some(Side::public(text.as_bytes().to_vec()));
    let cert = FileChange {
        file: "cert".to_owned(),
        before: public("first certificate\n"),
        after: public("second certificate\n"),
    };
    let tls = InstanceRow { files: vec![cert], ..done(RowAction::Regenerated, 2) };
    let report = Report {
        rows: [
            (name("web1/wg"), done(RowAction::Generated, 2)),
            (name("web1/tls"), tls),
            (name("web2/proxy"), row(stale(ReasonKind::Dependency, "web1/tls was regenerated"))),
            (name("web3/backup"), row(InstanceState::Absent)),
            (name("web4/a"), row(InstanceState::Present)),
        ]
        .into(),
        errors: vec![Failure::new(name("web3/backup").to_string(), "the generator exited with status 3")],
        now_stale: vec![NowStale {
            name: name("web2/proxy"),
            dependency: name("web1/tls"),
            hints: vec![command(Effect::Keeps, &["artifacts", "adopt", "per-machine/web2/proxy"])],
        }],
        ..Report::default()
    };
    let drawn = "\
generated    web1/wg        2 recipients
regenerated  web1/tls       2 recipients
             public/cert: 18 B -> 19 B
               - first certificate
               + second certificate
now stale    web2/proxy     dependency: web1/tls was regenerated
staged 2 entries; commit them

next
  1 now stale             artifacts adopt web2/proxy

5 artifacts: 1 generated, 1 regenerated, 1 failed, 1 unchanged, 1 stale, 41 s
";
    let took = Some(std::time::Duration::from_secs(41));
    assert_eq!(plain(&report.result_page(took, &style(&report, 80))), drawn);
}

#[test]
fn a_dry_run_says_what_would_be_and_that_nothing_was() {
    let file = |name: &str, recipients: &[&str]| FileChange {
        file: name.to_owned(),
        before: None,
        after: Some(Side::Secret {
            size: None,
            recipients: Some(recipients.iter().map(ToString::to_string).collect()),
        }),
    };
    let cert =
        FileChange { file: "cert".to_owned(), before: None, after: Some(Side::Public { size: None, content: None }) };
    let would = |action, files| InstanceRow { done: Some(action), files, ..row(InstanceState::Absent) };
    let attic = InstanceRow {
        prompts: vec!["token".to_owned()],
        ..would(RowAction::WouldGenerate, vec![file("env", &["admin1", "web1"])])
    };
    let tls = InstanceRow {
        replaces: Some((1, 788)),
        ..would(RowAction::WouldRegenerate, vec![file("key", &["admin1", "web1"])])
    };
    let rows = [
        (name("web1/attic"), attic),
        (name("shared/ca"), would(RowAction::WouldGenerate, vec![file("key", &["admin1"]), cert])),
        (name("web1/tls"), tls),
        (name("web1/wg"), row(InstanceState::Present)),
    ]
    .into();
    let report = Report { rows, is_preview: true, ..Report::default() };
    let drawn = "\
would generate    web1/attic     env: 2 recipients; prompts for token
would generate    shared/ca      key: 1 recipient; cert: public
would regenerate  web1/tls       key: 2 recipients; replaces 1 file (788 B)

dry run: nothing was written
4 artifacts: would generate 2, would regenerate 1, 1 unchanged
";
    assert_eq!(plain(&report.result_page(None, &style(&report, 80))), drawn);
}

/// Neither a name nor a command is broken, so what is wider than the page is one of them alone.
#[test]
fn a_large_fleet_with_long_names_is_readable_at_every_width() {
    let long = |at: usize| {
        name(&format!("k8s-worker-frankfurt-{at:03}/prometheus-node-exporter-federation-client-certificate-{}", at % 7))
    };
    let work = |at: usize| {
        let name = long(at);
        let full = name.to_string();
        let state = match at % 3 {
            0 => InstanceState::Absent,
            1 => stale(
                ReasonKind::Receipt,
                &format!("`client-{at}.key.age` was modified outside artifacts since it was stored"),
            ),
            _ => InstanceState::Error(format!("unknown backend `agnix-{at}`; available: agenix, dummy, sops-nix")),
        };
        let hints = vec![command(Effect::Keeps, &["artifacts", "adopt", &full])];
        (name, InstanceRow { hints, ..row(state) })
    };
    let report = Report { rows: (0..180).map(work).collect(), ..Report::default() };
    for width in [40, 60, 80, 100, 120] {
        for verbose in [false, true] {
            for filter in [RowFilter::Work, RowFilter::All] {
                let page = plain(&report.status_page(filter, &Style { verbose, ..style(&report, width) }));
                assert!(!page.contains("per-machine"), "{page}");
                for line in page.lines() {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let is_whole = words.iter().any(|word| word.starts_with("k8s-worker-frankfurt-"));
                    assert!(textwrap::core::display_width(line) <= width || is_whole, "{width}: {line}");
                }
                for (name, _) in report.rows.iter().filter(|_| verbose) {
                    let short = name.short();
                    assert!(page.lines().any(|line| line.contains(&short)), "{short} is whole in\n{page}");
                }
            }
        }
    }
}

#[test]
fn nothing_of_a_repository_reaches_the_terminal_raw() {
    let bad = "x\u{1b}[2J\u{202e}";
    let error = Failure::new(bad, format!("{bad}\n| {bad}")).hint(Some(bad));
    let report = Report {
        rows: [(
            name("web1/a"),
            InstanceRow {
                notes: vec![bad.to_owned()],
                done: Some(RowAction::Generated),
                backend: Some(bad.to_owned()),
                ..row(InstanceState::Present)
            },
        )]
        .into(),
        errors: vec![error],
        orphaned: vec![Orphaned::new(format!("per-machine/{bad}/a"), bad.to_owned(), Some(bad.to_owned()), None)],
        ..Report::default()
    };
    for verbose in [false, true] {
        let style = Style { verbose, ..style(&report, 80) };
        let pages = [
            report.result_page(None, &style),
            report.status_page(RowFilter::All, &style),
            report.status_page(RowFilter::Work, &style),
        ];
        let parts: Vec<&str> = pages.iter().flat_map(|page| [page.head.as_str(), page.tail.as_str()]).collect();
        let text = parts.concat();
        let text = text + &artifacts_report::failures(&report.errors, &style);
        assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{202e}') && text.contains("\\u{1b}"), "{text:?}");
    }
}

#[test]
fn what_to_do_about_one_error_of_many_is_said_once() {
    let why = "unknown backend `vault`";
    let names = ["web1/a", "web2/a"].map(name);
    let report = Report {
        rows: names.clone().map(|name| (name, row(InstanceState::Error(why.to_owned())))).into(),
        errors: names.map(|name| Failure::new(name.to_string(), why).hint(Some("register it"))).into(),
        ..Report::default()
    };
    let drawn = "\
error      web1/a         unknown backend `vault`
           hint: register it
error      web2/a         unknown backend `vault`

2 artifacts: 2 error
";
    assert_eq!(status(&report, 80), drawn);
}

#[test]
fn who_could_read_what_was_encrypted_again_is_named_with_the_command_that_replaces_it() {
    let report = Report { former: [("bob".to_owned(), 2), ("age1x".to_owned(), 1)].into(), ..Report::default() };
    let page = report.result_page(None, &style(&report, 100));
    assert!(
        page.head.contains("bob could read 2 of these values; to replace them: `artifacts rotate --recipient bob`\n")
    );
    assert!(page.head.contains("age1x could read this value; to replace it: `artifacts rotate --recipient age1x`\n"));
}
