use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use artifacts_declared::{InstanceName, Name};
use artifacts_ram::{PrivateDir, Ram};
use artifacts_seam::Secret;
use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::arguments::{Channels, IN, arguments, made_up};
use crate::collect::collect;
use crate::error::{Error, GeneratorFailure};
use crate::filter;
use crate::job::{Job, OutputLimits};
use crate::output::CapturedOutput;
use crate::program::Program;
use crate::running::Running;
use crate::spawn::{Start, spawn};
use crate::store_path::StorePath;

/// Options without which there is no sandbox; bubblewrap 0.6 has them all.
const NEEDED: [&str; 9] = [
    "--unshare-all",
    "--cap-drop",
    "--clearenv",
    "--die-with-parent",
    "--block-fd",
    "--json-status-fd",
    "--perms",
    "--seccomp",
    "--size",
];

/// So long a trial of the sandbox may take, on a busy machine, too.
const PROBE_TIMEOUT: Duration = Duration::from_mins(1);

/// Runs generators, several at a time if so wished.
#[derive(Debug, Clone)]
pub struct Sandbox {
    bubblewrap: PathBuf,
    ram: Ram,
    /// Whether a generator may create namespaces: only where bubblewrap cannot forbid it.
    nested: bool,
}

impl Sandbox {
    /// Finds the first `bwrap` in a `PATH` value.
    pub fn find(path: &OsStr) -> Option<PathBuf> {
        std::env::split_paths(path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join("bwrap"))
            .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file())
    }

    /// Asks bubblewrap, given by its absolute path, for its options.
    ///
    /// # Errors
    /// If it cannot be run or is too old.
    pub fn new(bubblewrap: PathBuf, ram: &Ram) -> Result<Self, Error> {
        let mut command = Command::new(&bubblewrap);
        command.arg("--help").env_clear().stdin(Stdio::null());
        let said = match command.output() {
            Ok(said) => said,
            Err(why) => return Err(Error::NoBubblewrap { path: bubblewrap, why }),
        };
        let hint = [said.stdout, said.stderr].concat();
        let hint = String::from_utf8_lossy(&hint);
        let known = |option: &str| hint.split_whitespace().any(|word| word == option);
        let missing: Vec<_> = NEEDED.into_iter().filter(|option| !known(option)).collect();
        if !missing.is_empty() {
            return Err(Error::OldBubblewrap { path: bubblewrap, missing });
        }
        let privileged = std::fs::metadata(&bubblewrap).is_ok_and(|stat| stat.mode() & 0o4000 != 0);
        let nested = privileged || !known("--disable-userns");
        Ok(Self { bubblewrap, ram: ram.clone(), nested })
    }

    /// Returns the path of bubblewrap.
    pub fn bubblewrap(&self) -> &Path {
        &self.bubblewrap
    }

    /// Returns whether a generator could create namespaces of its own.
    pub fn allows_namespaces(&self) -> bool {
        self.nested
    }

    /// Tries whether the sandbox can be set up, by running bubblewrap itself in it, which says how it is used and ends. `closure` is
    /// what bubblewrap needs of the store.
    ///
    /// # Errors
    /// [`GeneratorFailure::Sandbox`] if it cannot; any other if that was not tried.
    pub fn probe(&self, closure: Vec<StorePath>) -> Result<(), Error> {
        let name = Name::new("doctor").map_err(|error| GeneratorFailure::Io(std::io::Error::other(error)));
        let artifact = name.map_err(|fault| Error::Run(Box::new(fault)))?;
        let job = Job {
            instance: InstanceName::Shared { artifact },
            program: self.bubblewrap.clone(),
            closure,
            path: Vec::new(),
            expected: BTreeSet::new(),
            prompts: BTreeMap::new(),
            inputs: BTreeMap::new(),
            log_level: "info".to_owned(),
            random: None,
            network: false,
            timeout: Some(PROBE_TIMEOUT),
            limits: OutputLimits::default(),
        };
        match self.attempt(&job, &AtomicBool::new(false)) {
            // It ran, whatever it made of having nothing to do.
            Ok(_) | Err(GeneratorFailure::Failed { .. }) => Ok(()),
            Err(fault) => Err(Error::Run(Box::new(fault))),
        }
    }

    /// Runs a generator and takes its files. It is ended when `cancel` becomes true, within about 0.1 s.
    ///
    /// Whatever comes of it: when this returns, no process and no file of the run is left.
    ///
    /// # Errors
    /// See [`GeneratorFailure`].
    pub fn run(&self, job: &Job, cancel: &AtomicBool) -> Result<BTreeMap<Name, Secret>, Error> {
        self.attempt(job, cancel).map_err(|fault| Error::Run(Box::new(fault)))
    }

    fn attempt(&self, job: &Job, cancel: &AtomicBool) -> Result<BTreeMap<Name, Secret>, GeneratorFailure> {
        let program = Program::resolve(&job.program, &job.closure)?;
        let dir = self.ram.private_dir()?;
        fill(&dir, job)?;
        let ended = self.start(job, &program, &dir)?.finish(job, cancel);
        ended.and_then(|out| collect(&out, &job.expected, job.limits)).map_err(|fault| match program.foreign {
            Some(system) => foreign(system, fault),
            None => fault,
        })
    }

    fn start(&self, job: &Job, program: &Program, dir: &PrivateDir) -> Result<Running, GeneratorFailure> {
        let (status, status_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (start_end, start) = pipe_with(PipeFlags::CLOEXEC)?;
        let (output, output_end) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&output, OFlags::NONBLOCK)?;
        let filter = filter::program(job.network).map(|bytes| file_in_memory(&bytes)).transpose()?;
        let inputs = open_inputs(job, dir)?;
        let channels = Channels {
            status: status_end.as_raw_fd(),
            start: start_end.as_raw_fd(),
            filter: filter.as_ref().map(AsRawFd::as_raw_fd),
            inputs: inputs.iter().map(|(path, file)| (path.clone(), file.as_raw_fd())).collect(),
        };
        let mut kept = vec![channels.status, channels.start];
        kept.extend(channels.filter);
        kept.extend(channels.inputs.iter().map(|(_, descriptor)| *descriptor));
        let mut largest = job.limits.total.max(job.limits.scratch);
        // Bubblewrap copies them, under the same limit.
        for (_, file) in &inputs {
            largest = largest.max(file.metadata()?.len());
        }
        if let Some((file, _)) = &program.outsider {
            kept.push(file.as_raw_fd());
            // Bubblewrap copies it, under the same limit.
            largest = largest.max(file.metadata()?.len());
        }
        let bubblewrap = spawn(Start {
            program: &self.bubblewrap,
            arguments: arguments(job, program, dir.path(), &channels, self.nested),
            stdin: File::open("/dev/null")?.as_fd(),
            output: output_end.as_fd(),
            kept,
            file_size: largest.saturating_add(1),
        })?;
        Ok(Running {
            bubblewrap,
            status: status.into(),
            reported: Vec::new(),
            start: (start_end, start.into()),
            output: CapturedOutput::new(File::from(output)),
        })
    }
}

/// Returns an unnamed file of these bytes, to be read from its beginning.
fn file_in_memory(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("filter", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Opens the files of `$in` in the private directory, each with its path inside.
fn open_inputs(job: &Job, dir: &PrivateDir) -> Result<Vec<(PathBuf, File)>, GeneratorFailure> {
    let mut opened = Vec::new();
    for (artifact, files) in &job.inputs {
        for file in files.keys() {
            let below = Path::new(artifact.as_str()).join(file.as_str());
            let outside = File::open(dir.path().join("in").join(&below))?;
            opened.push((Path::new(IN).join(below), outside));
        }
    }
    Ok(opened)
}

/// Writes the content of the private directory.
fn fill(dir: &PrivateDir, job: &Job) -> Result<(), GeneratorFailure> {
    let named = |name: &str, fault| artifacts_ram::Error::File { name: name.to_owned(), fault };
    let etc = dir.subdir("etc")?;
    for (name, text) in made_up(job) {
        artifacts_ram::write_new(&etc, name, text.as_bytes(), 0o444).map_err(|fault| named(name, fault))?;
    }
    if let Some(stream) = &job.random {
        dir.write("random", stream.expose(), 0o444)?;
    }
    let write = |dir: &OwnedFd, name: &Name, value: &Secret| {
        artifacts_ram::write_new(dir, name.as_str(), value.expose(), 0o400).map_err(|fault| named(name.as_str(), fault))
    };
    let prompts = dir.subdir("prompts")?;
    for (name, value) in &job.prompts {
        write(&prompts, name, value)?;
    }
    let inputs = dir.subdir("in")?;
    for (artifact, files) in &job.inputs {
        let inner =
            artifacts_ram::make_dir(&inputs, artifact.as_str()).map_err(|fault| named(artifact.as_str(), fault))?;
        for (name, value) in files {
            write(&inner, name, value)?;
        }
    }
    Ok(())
}

/// Explains the failure of a program for another system, which fails in many ways.
fn foreign(system: &str, fault: GeneratorFailure) -> GeneratorFailure {
    let (why, output) = match fault {
        GeneratorFailure::Sandbox { message } => (message, Secret::new(Vec::new())),
        GeneratorFailure::Failed { status, output } => (format!("it exited with status {status}"), output),
        GeneratorFailure::Missing { .. } => (fault.to_string(), Secret::new(Vec::new())),
        other => return other,
    };
    GeneratorFailure::System { system: system.to_owned(), why, output }
}
