use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use artifacts_declared::InstanceName;

use crate::job::Job;
use crate::program::{OUTSIDER, Program, SYSTEM};
use crate::store_path::StorePath;

/// System configuration files that programs need and that reveal nothing about the caller.
const CONFIGURATION: [&str; 5] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/openssl.cnf",
    "/etc/crypto-policies",
];

/// Further files, for name resolution and TLS.
const NETWORK: [&str; 7] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
];

/// Target of the certificates on NixOS, where they are a symbolic link into the store.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Path of the directory into which a generator writes its files.
pub(crate) const OUT: &str = "/out";

/// Path of the directory with what it reads, of which it has its own copy.
pub(crate) const IN: &str = "/in";

/// The only user inside, who has no rights outside.
const PASSWD: &str = "generator:x:1000:1000::/homeless-shelter:/bin/sh\n";
const GROUP: &str = "generator:x:1000:\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Returns the generated files of `/etc`, which are in the private directory.
pub(crate) fn made_up(job: &Job) -> Vec<(&'static str, &'static str)> {
    let mut files = vec![("passwd", PASSWD), ("group", GROUP)];
    if !job.network {
        files.push(("hosts", HOSTS));
    }
    files
}

/// Descriptors that bubblewrap itself reads and writes.
pub(crate) struct Channels {
    /// Descriptor on which it reports that the sandbox runs, and the exit status of the generator.
    pub(crate) status: RawFd,
    /// Descriptor on which it waits before it starts the generator.
    pub(crate) start: RawFd,
    /// Descriptor from which it reads the system-call filter.
    pub(crate) filter: Option<RawFd>,
    /// Descriptors from which it copies the files of `$in`, each with its path inside.
    pub(crate) inputs: Vec<(PathBuf, RawFd)>,
}

/// Builds bubblewrap's arguments, without its own name.
pub(crate) fn arguments(job: &Job, program: &Program, dir: &Path, channels: &Channels, nested: bool) -> Vec<OsString> {
    let mut line = CommandLine::default();
    isolate(&mut line, job.network, nested);
    line.add(["--json-status-fd", &channels.status.to_string(), "--block-fd", &channels.start.to_string()]);
    if let Some(filter) = channels.filter {
        line.add(["--seccomp", &filter.to_string()]);
    }
    system(&mut line);
    if job.random.is_some() {
        for device in ["/dev/random", "/dev/urandom"] {
            line.bind("--ro-bind", dir.join("random"), device);
        }
    }
    scratch(&mut line, job.limits.scratch);
    for path in &job.closure {
        store_path(&mut line, path);
    }
    for (name, _) in made_up(job) {
        line.bind("--ro-bind", dir.join("etc").join(name), Path::new("/etc").join(name));
    }
    for path in CONFIGURATION {
        line.bind("--ro-bind-try", path, path);
    }
    if job.network {
        network(&mut line);
    }
    if let Some((file, inside)) = &program.outsider {
        line.add(["--perms", "0755", "--dir", OUTSIDER, "--perms", "0555", "--file", &file.as_raw_fd().to_string()]);
        line.0.push(inside.into());
    }
    // A file system of its own, so that all that exists in it can be counted. This bound is only for what is written between
    // two looks at it.
    let most = job.limits.total.saturating_mul(2).saturating_add(1 << 20);
    line.add(["--perms", "0755", "--size", &most.to_string(), "--tmpfs", OUT]);
    line.bind("--ro-bind", dir.join("prompts"), "/prompts");
    inputs(&mut line, job, channels);
    for (name, value) in environment(job) {
        line.add(["--setenv", name]);
        line.0.push(value);
    }
    line.add(["--chdir", "/tmp", "--remount-ro", "/", "--"]);
    line.0.extend(program.words.iter().cloned());
    line.0
}

#[derive(Default)]
struct CommandLine(Vec<OsString>);

impl CommandLine {
    fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(OsString::from));
    }

    fn bind(&mut self, option: &str, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) {
        self.0.extend([option.into(), from.as_ref().to_owned(), to.as_ref().to_owned()]);
    }
}

fn isolate(line: &mut CommandLine, network: bool, nested: bool) {
    // --unshare-all alone goes on without a user namespace when it cannot have one.
    line.add(["--unshare-all", "--unshare-user"]);
    if network {
        line.add(["--share-net"]);
    }
    if !nested {
        line.add(["--disable-userns"]);
    }
    line.add(["--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "artifacts"]);
    line.add(["--clearenv", "--die-with-parent", "--new-session"]);
}

/// Shows a store path. One that is a symbolic link stays one: bubblewrap binds what a link names, and that may be anything on this
/// machine.
fn store_path(line: &mut CommandLine, StorePath { path, real }: &StorePath) {
    match fs::read_link(real) {
        Ok(target) => line.bind("--symlink", target, path),
        Err(_) => line.bind("--ro-bind", real, path),
    }
}

fn system(line: &mut CommandLine) {
    for path in SYSTEM {
        match std::fs::read_link(path) {
            Ok(target) => line.bind("--symlink", target, path),
            Err(_) => line.bind("--ro-bind-try", path, path),
        }
    }
    line.add(["--proc", "/proc", "--dev", "/dev"]);
}

fn scratch(line: &mut CommandLine, size: u64) {
    let size = size.to_string();
    for path in ["/tmp", "/dev/shm"] {
        line.add(["--perms", "1777", "--size", &size, "--tmpfs", path]);
    }
    // Root, under whatever number, may change this machine's settings in `/proc/sys` without a capability.
    line.add(["--remount-ro", "/dev", "--remount-ro", "/proc"]);
}

/// A copy on a file system of its own: the generator may change it, and what else it writes there is bounded.
fn inputs(line: &mut CommandLine, job: &Job, channels: &Channels) {
    let bytes: usize = job.inputs.values().flat_map(BTreeMap::values).map(|value| value.expose().len()).sum();
    // Each file takes whole pages.
    let size = job.limits.scratch.saturating_add(bytes as u64).saturating_add(channels.inputs.len() as u64 * 65536);
    line.add(["--perms", "0755", "--size", &size.to_string(), "--tmpfs", IN]);
    for artifact in job.inputs.keys() {
        line.add(["--perms", "0755", "--dir"]);
        line.0.push(Path::new(IN).join(artifact.as_str()).into());
    }
    for (path, descriptor) in &channels.inputs {
        line.add(["--perms", "0600", "--file", &descriptor.to_string()]);
        line.0.push(path.into());
    }
}

fn network(line: &mut CommandLine) {
    for path in NETWORK {
        // A directory of links into the store cannot hold the bind that replaces one of them.
        if path == "/etc/ssl/certs" && in_store(CERTIFICATES) {
            line.bind("--ro-bind-try", CERTIFICATES, CERTIFICATES);
        } else {
            line.bind("--ro-bind-try", path, path);
        }
    }
}

fn in_store(path: &str) -> bool {
    Path::new(path).canonicalize().is_ok_and(|real| !real.starts_with("/etc") && !real.starts_with("/usr"))
}

/// Returns the complete environment of a generator, except `PWD`, which bubblewrap sets.
fn environment(job: &Job) -> Vec<(&'static str, OsString)> {
    let mut path = OsString::new();
    for dir in &job.path {
        path.push(dir);
        path.push(":");
    }
    path.push("/usr/bin:/bin");
    let mut all: Vec<(&str, OsString)> = vec![
        ("PATH", path),
        ("HOME", "/homeless-shelter".into()),
        ("TMPDIR", "/tmp".into()),
        ("LOG_LEVEL", job.log_level.as_str().into()),
        ("out", OUT.into()),
        ("prompts", "/prompts".into()),
        ("in", IN.into()),
    ];
    let (context, names) = match &job.instance {
        InstanceName::Machine { target, artifact } => ("nixos", vec![("machine", target), ("artifact", artifact)]),
        InstanceName::User { target, artifact } => ("homemanager", vec![("username", target), ("artifact", artifact)]),
        InstanceName::Shared { .. } => ("shared", vec![]),
    };
    all.push(("artifact_context", context.into()));
    all.extend(names.into_iter().map(|(variable, name)| (variable, OsString::from(name.as_str()))));
    all
}
