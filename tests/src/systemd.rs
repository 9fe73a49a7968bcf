//! A machine for tests: a real systemd as PID 1 in namespaces and a root of its own, with units that Nix evaluated.
//!
//! It needs root. Nothing of the machine that runs the test is changed: its root is the lower layer of an overlay.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::nix;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/systemd");

/// systemd's own units that a machine has, as NixOS takes them over one by one.
const UPSTREAM: [&str; 21] = [
    "basic.target",
    "exit.target",
    "final.target",
    "local-fs-pre.target",
    "local-fs.target",
    "multi-user.target",
    "paths.target",
    "reboot.target",
    "shutdown.target",
    "slices.target",
    "sockets.target",
    "swap.target",
    "sysinit.target",
    "systemd-exit.service",
    "systemd-journald-dev-log.socket",
    "systemd-journald.service",
    "systemd-journald.socket",
    "timers.target",
    "umount.target",
    "systemd-journal-flush.service",
    "systemd-sysusers.service",
];

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A configuration that Nix evaluated: units and what lies below `/etc`.
#[derive(Debug, Clone)]
pub struct Configuration {
    boot: Value,
}

/// Evaluates machines, each given by its name and a Nix list of modules that sees `inputs`.
///
/// # Errors
/// With Nix's message.
pub fn evaluate(machines: &[(&str, &str)]) -> Result<Vec<Configuration>> {
    let boot = |(name, _): &(&str, &str)| format!("nixosConfigurations.\"{name}\".config.system.build.boot");
    build(&machines.iter().map(machine).collect::<String>(), machines.iter().map(boot))
}

/// The output of a flake that is a machine of this name and these modules.
fn machine((name, modules): &(&str, &str)) -> String {
    let system = format!("{}-linux", std::env::consts::ARCH);
    format!(
        "nixosConfigurations.\"{name}\" = inputs.nixpkgs.lib.nixosSystem {{ modules = [ inputs.artifacts.nixosModules.default \
         inputs.agenix.nixosModules.default {FIXTURES}/nixos.nix {FIXTURES}/installers.nix \
         {{ nixpkgs.hostPlatform = \"{system}\"; networking.hostName = \"{name}\"; }} ] ++ ({modules}); }};\n",
    )
}

/// Evaluates a machine with a Home Manager user `alice` inside, whose own modules are the second ones. The home is `/etc/home`.
///
/// # Errors
/// With Nix's message.
pub fn evaluate_with_user(name: &str, modules: &str, user: &str) -> Result<Configuration> {
    let modules = format!(
        "[ inputs.home-manager.nixosModules.home-manager {{ home-manager.users.alice = {{ imports = [ \
         inputs.artifacts.homeModules.default {FIXTURES}/home.nix {{ home.homeDirectory = \"/etc/home\"; }} ] ++ ({user}); }}; }} \
         ] ++ ({modules})"
    );
    let of = |what: &str| format!("nixosConfigurations.\"{name}\".config.{what}");
    let boots = [of("system.build.boot"), of("home-manager.users.alice.home.boot")];
    let mut found = build(&machine(&(name, &modules)), boots.into_iter())?;
    let home = found.remove(1);
    ensure!(home.failed().is_empty(), "the user's assertions do not hold: {:#?}", home.failed());
    let mut whole = found.remove(0);
    whole.add_home(&home)?;
    Ok(whole)
}

/// Evaluates a user's configuration, given by a Nix list of modules that sees `inputs`. The home is `/etc/home`.
///
/// # Errors
/// With Nix's message.
pub fn evaluate_home(modules: &str) -> Result<Configuration> {
    let system = format!("{}-linux", std::env::consts::ARCH);
    let output = format!(
        "homeConfigurations.alice = inputs.home-manager.lib.homeManagerConfiguration {{ \
         pkgs = inputs.nixpkgs.legacyPackages.{system}; modules = [ inputs.artifacts.homeModules.default \
         inputs.agenix.homeManagerModules.default {FIXTURES}/home.nix \
         {{ home.username = \"alice\"; home.homeDirectory = \"/etc/home\"; }} ] ++ ({modules}); }};"
    );
    let boot = "homeConfigurations.alice.config.home.boot".to_owned();
    Ok(build(&output, [boot].into_iter())?.remove(0))
}

/// Evaluates machines of a flake as they are there, under this Nix module besides.
///
/// # Errors
/// With Nix's message.
pub fn evaluate_flake(flake: &Path, machines: &[&str], module: &str) -> Result<Vec<Configuration>> {
    let one = |name: &&str| {
        let expression = format!(
            "((builtins.getFlake \"git+file://{}\").nixosConfigurations.\"{name}\".extendModules {{ modules = [ \
             {FIXTURES}/nixos.nix {module} ]; }}).config.system.build.boot",
            flake.display()
        );
        built(flake, &["--expr", &expression])
    };
    machines.iter().map(one).collect()
}

/// Builds what machines boot with, by the attributes of these outputs.
fn build(outputs: &str, attributes: impl Iterator<Item = String>) -> Result<Vec<Configuration>> {
    let dir = tempfile::tempdir()?;
    nix::Inputs::new()?.flake(dir.path(), &format!("inputs: {{ {outputs} }}"))?;
    let one = |attribute: String| built(dir.path(), &[&format!(".#{attribute}")]);
    attributes.map(one).collect()
}

/// Builds what a machine boots with.
fn built(dir: &Path, what: &[&str]) -> Result<Configuration> {
    let arguments = [&["build", "--impure", "--no-link", "--json"], what].concat();
    let built: Value = serde_json::from_str(&nix::nix(dir, &arguments)?)?;
    let path = built[0]["outputs"]["out"].as_str().context("nix build names no output")?;
    Ok(Configuration { boot: serde_json::from_str(&fs::read_to_string(path)?)? })
}

impl Configuration {
    /// The messages of assertions that do not hold.
    pub fn failed(&self) -> Vec<String> {
        let messages = self.boot["failed"].as_array().into_iter().flatten();
        messages.filter_map(|message| Some(message.as_str()?.to_owned())).collect()
    }

    /// The names of all units.
    pub fn units(&self) -> Vec<String> {
        self.boot["units"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// The text of a unit.
    pub fn unit(&self, name: &str) -> Option<&str> {
        self.boot["units"][name]["text"].as_str()
    }

    /// The text of a file below `/etc`.
    pub fn etc(&self, name: &str) -> Option<&str> {
        self.boot["etc"][name]["text"].as_str()
    }

    /// Whether another unit wants this one.
    pub fn is_wanted(&self, name: &str) -> bool {
        self.boot["units"][name]["wantedBy"].as_array().is_some_and(|by| !by.is_empty())
    }

    /// What lies below a user's configuration directory, by path.
    pub fn config_files(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.boot["configFile"].as_object().into_iter().flatten()
    }

    /// Adds a user's home, as Home Manager lays it out, at `/etc/home`.
    ///
    /// # Errors
    /// When a value of this module's own is not as it makes them.
    pub fn add_home(&mut self, home: &Self) -> Result<()> {
        let etc = self.boot["etc"].as_object_mut().context("a machine has /etc")?;
        for (path, file) in home.config_files() {
            etc.insert(format!("home/.config/{path}"), file.clone());
        }
        for (name, unit) in home.boot["units"].as_object().into_iter().flatten() {
            etc.insert(format!("home/.config/systemd/user/{name}"), unit.clone());
            for by in unit["wantedBy"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let link = serde_json::json!({ "source": format!("../{name}") });
                etc.insert(format!("home/.config/systemd/user/{by}.wants/{name}"), link);
            }
        }
        Ok(())
    }

    /// Writes a user's home alone, as `home` below a directory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_home(&self, dir: &Path) -> Result<()> {
        let mut home = Self { boot: serde_json::json!({ "etc": {}, "units": {} }) };
        home.add_home(self)?;
        home.write_etc(dir)
    }

    /// Writes `/etc` as NixOS does.
    fn write_etc(&self, etc: &Path) -> Result<()> {
        for (name, entry) in self.boot["etc"].as_object().into_iter().flatten() {
            let path = etc.join(name);
            fs::create_dir_all(path.parent().context("an entry of /etc has a directory")?)?;
            match (entry["source"].as_str(), entry["text"].as_str()) {
                (Some(source), _) => symlink(source, &path)?,
                (None, text) => fs::write(&path, text.context("an entry of /etc has a text")?)?,
            }
        }
        let system = etc.join("systemd/system");
        for (name, unit) in self.boot["units"].as_object().into_iter().flatten() {
            let text = unit["text"].as_str().context("a unit has a text")?;
            if unit["overrideStrategy"] == "asDropin" {
                fs::create_dir_all(system.join(format!("{name}.d")))?;
                fs::write(system.join(format!("{name}.d/overrides.conf")), text)?;
            } else {
                fs::create_dir_all(&system)?;
                fs::write(system.join(name), text)?;
            }
            for (key, ending) in [("wantedBy", "wants"), ("requiredBy", "requires")] {
                for by in unit[key].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    link_below(&system.join(format!("{by}.{ending}")), name)?;
                }
            }
        }
        for unit in ["systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket"] {
            link_below(&system.join("sysinit.target.wants"), unit)?;
        }
        Ok(())
    }
}

/// What a switch tells which units, as words of a shell.
#[derive(Default)]
struct Changes {
    stop: Vec<String>,
    reload: Vec<String>,
    restart: Vec<String>,
}

impl Changes {
    fn between(from: &Configuration, to: &Configuration) -> Self {
        let mut changes = Self::default();
        for name in from.units() {
            let to_tell = match (from.unit(&name), to.unit(&name)) {
                (_, None) => &mut changes.stop,
                (old, new) if old == new => continue,
                (_, Some(new)) if new.contains("X-ReloadIfChanged=true") => &mut changes.reload,
                (_, Some(new)) if new.contains("X-RestartIfChanged=false") => continue,
                (_, Some(new)) if new.contains("X-StopIfChanged=false") => &mut changes.restart,
                // It is started anew by what wants it.
                _ => &mut changes.stop,
            };
            to_tell.push(format!("'{name}'"));
        }
        changes
    }
}

fn link_below(dir: &Path, unit: &str) -> Result<()> {
    fs::create_dir_all(dir)?;
    Ok(symlink(format!("../{unit}"), dir.join(unit))?)
}

/// A machine that runs. It is gone when this is dropped.
#[derive(Debug)]
pub struct Machine {
    launcher: Child,
    init: u32,
    given: tempfile::TempDir,
}

impl Machine {
    /// Boots a machine and waits until it is up. `secrets` are the texts that installers put in place, by `artifact/file`.
    ///
    /// # Errors
    /// When an assertion does not hold, without root, or when it does not come up in time.
    pub fn boot(configuration: &Configuration, secrets: &[(&str, &str)]) -> Result<Self> {
        let machine = Self::begin(configuration, secrets)?;
        machine.wait("the boot to be done", "systemctl is-system-running | grep -qxE 'running|degraded'")?;
        Ok(machine)
    }

    /// Boots a machine and waits only until its systemd answers.
    ///
    /// # Errors
    /// As [`Machine::boot`].
    pub fn begin(configuration: &Configuration, secrets: &[(&str, &str)]) -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "a machine for tests needs root: run the tests as root, or in a container"
        );
        let failed = configuration.failed();
        ensure!(failed.is_empty(), "the configuration's assertions do not hold: {failed:#?}");
        let given = tempfile::tempdir()?;
        fs::set_permissions(given.path(), PermissionsExt::from_mode(0o755))?;
        configuration.write_etc(&given.path().join("etc"))?;
        fs::create_dir(given.path().join("shared"))?;
        fs::write(given.path().join("upstream"), UPSTREAM.join("\n"))?;
        let seen = [Path::new("/nix").to_owned(), target()?];
        let seen: Vec<String> = seen.iter().map(|dir| format!("{}\n", dir.display())).collect();
        fs::write(given.path().join("seen"), seen.concat())?;
        for (name, text) in secrets {
            write(&given.path().join("shared/plain").join(name), text)?;
        }
        let console = fs::File::create(given.path().join("console"))?;
        let launcher = Command::new("unshare")
            .args(["--mount", "--"])
            .arg(Path::new(FIXTURES).join("launch.sh"))
            .arg(given.path())
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()
            .context("unshare (package util-linux) cannot be run")?;
        let mut machine = Self { launcher, init: 0, given };
        machine.find_init()?;
        machine.wait("systemd to answer", "systemctl show --property=Version")?;
        Ok(machine)
    }

    /// The child of `unshare`, once it has become systemd.
    fn find_init(&mut self) -> Result<()> {
        let launcher = self.launcher.id();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.launcher.try_wait()? {
                bail!("the machine ended at once, with {status}:\n{}", self.console());
            }
            let children = fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap_or_default();
            let child = children.split_whitespace().next().and_then(|child| child.parse().ok());
            if let Some(child) = child.filter(|child| is_systemd(*child)) {
                self.init = child;
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the machine does not come up:\n{}", self.console())
    }

    /// What the machine printed.
    pub fn console(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = fs::File::open(self.given.path().join("console")) {
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The directory that the machine sees as `/run/shared`.
    pub fn shared(&self) -> PathBuf {
        self.given.path().join("shared")
    }

    /// Gives installers another text for a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set(&self, name: &str, text: &str) -> Result<()> {
        write(&self.shared().join("plain").join(name), text)
    }

    /// Runs a shell script in the machine as root; whatever comes of it.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub fn run(&self, script: &str) -> Result<Output> {
        let output = Command::new("nsenter")
            .args(["--target", &self.init.to_string(), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"])
            .args(["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"])
            .args(["/bin/bash", "-c", script])
            .stdin(Stdio::null())
            .output();
        output.context("nsenter (package util-linux) cannot be run")
    }

    /// Runs a shell script in the machine as root and gives what it printed, without the final newline.
    ///
    /// # Errors
    /// When it fails, with all that helps to see why.
    pub fn sh(&self, script: &str) -> Result<String> {
        let output = self.run(script)?;
        let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{script}`: {}\n{printed}\n{said}\n{}", output.status, self.journal());
        Ok(printed)
    }

    /// Has systemd verify every unit of the configuration that it was booted with, and the boot as a whole.
    ///
    /// # Errors
    /// With what systemd says of them.
    pub fn verify(&self, configuration: &Configuration) -> Result<()> {
        // What only adds to another unit is read with that one.
        let whole = |name: &String| configuration.boot["units"][name]["overrideStrategy"] != "asDropin";
        let names: Vec<String> = configuration
            .units()
            .into_iter()
            .filter(whole)
            .map(|name| format!("'/etc/systemd/system/{name}'"))
            .collect();
        let output = self.run(&format!("systemd-analyze verify --man=no multi-user.target {}", names.join(" ")))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.trim().is_empty(), "{}: {said}", output.status);
        Ok(())
    }

    /// Switches to another configuration as NixOS' `switch-to-configuration` does, as far as units say how.
    ///
    /// # Errors
    /// When a unit cannot be told; one that fails is none.
    pub fn switch(&self, from: &Configuration, to: &Configuration) -> Result<()> {
        let changes = Changes::between(from, to);
        let tell = |verb: &str, units: &[String]| {
            if units.is_empty() { String::new() } else { format!("systemctl {verb} -- {}\n", units.join(" ")) }
        };
        let script = [
            tell("stop", &changes.stop),
            "cd /etc\nxargs -0 rm -f < /run/shared/old\ncp -a /run/shared/etc/. .\nsystemctl daemon-reload\n"
                .to_owned(),
            tell("reload", &changes.reload),
            tell("restart", &changes.restart),
            "systemctl start multi-user.target\n".to_owned(),
        ];
        let (old, new) = (self.given.path().join("etc"), self.shared().join("etc"));
        to.write_etc(&new)?;
        let listed = Command::new("find").args([".", "!", "-type", "d", "-print0"]).current_dir(&old).output()?;
        fs::write(self.shared().join("old"), listed.stdout)?;
        fs::write(self.shared().join("switch"), script.concat())?;
        self.sh("mkdir -p /run/nixos; flock /run/nixos/switch-to-configuration.lock bash /run/shared/switch")?;
        fs::remove_dir_all(&old)?;
        Ok(fs::rename(new, old)?)
    }

    /// Waits until a shell script goes well.
    ///
    /// # Errors
    /// When it does not in time, with all that helps to see why.
    pub fn wait(&self, what: &str, script: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.run(script)?;
            if output.status.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("waited in vain for {what} (`{script}`):\n{}", self.journal());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a unit said something: the journal may have it later than systemd has what came of it.
    ///
    /// # Errors
    /// When it does not in time, with what it did say.
    pub fn wait_said(&self, unit: &str, text: &str) -> Result<()> {
        let text = text.replace('\'', r"'\''");
        let script = format!("journalctl -u '{unit}' -o cat | grep -qF -e '{text}'");
        self.wait(&format!("{unit} to say something"), &script)
    }

    /// Waits until a unit is in a state.
    ///
    /// # Errors
    /// When it does not get there in time.
    pub fn wait_state(&self, unit: &str, state: &str) -> Result<()> {
        let script = format!("test \"$(systemctl is-active '{unit}')\" = {state}");
        self.wait(&format!("{unit} to be {state}"), &script)
    }

    /// The state of a unit.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn state(&self, unit: &str) -> Result<String> {
        self.sh(&format!("systemctl is-active '{unit}' || true"))
    }

    /// A property of a unit.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn property(&self, unit: &str, property: &str) -> Result<String> {
        self.sh(&format!("systemctl show --value --property={property} '{unit}'"))
    }

    /// The journal, for messages, and the console where there is none.
    pub fn journal(&self) -> String {
        let journal = self.run("journalctl --no-pager --output=short-monotonic | tail -n 80; systemctl list-units --no-pager --all --plain --no-legend '*.service'");
        let text = journal.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        format!("{text}\n--- console\n{}", self.console())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let group = format!("artifacts-test-{}", self.launcher.id());
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
        remove_group(&group);
    }
}

/// Until the last step of booting it is still the shell.
fn is_systemd(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "systemd")
}

/// Control groups vanish only when they are empty, which takes the kernel a moment after the last process.
fn remove_group(group: &str) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let tops: Vec<String> = fields.filter(|f| f.get(2) == Some(&"cgroup2")).map(|f| f[1].to_owned()).collect();
    for _ in 0..50 {
        if tops.iter().all(|top| remove_tree(&Path::new(top).join(group))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn remove_tree(dir: &Path) -> bool {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
    !dir.exists()
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file has a directory")?)?;
    Ok(fs::write(path, text)?)
}

/// The directory of cargo's that this test was built into.
fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let dir = program.parent().and_then(Path::parent).context("a test lies in cargo's target directory")?;
    Ok(dir.to_owned())
}

/// A package, as Nix takes it, of a program that cargo built beside this test.
///
/// # Errors
/// When it is not built.
pub fn program(name: &str) -> Result<PathBuf> {
    package(name, "package")
}

/// The same program as another version of its package has it: at another place.
///
/// # Errors
/// When it is not built.
pub fn other_version(name: &str) -> Result<PathBuf> {
    package(name, "other-package")
}

fn package(name: &str, prefix: &str) -> Result<PathBuf> {
    let package = target()?.join(format!("{prefix}-{name}"));
    let built = target()?.join(name);
    ensure!(built.exists(), "{} is not built: run `cargo xtask build --quick`", built.display());
    fs::create_dir_all(package.join("bin"))?;
    let link = package.join("bin").join(name);
    // Several tests may do this at once, and cargo's directory may have been moved here with a link from before.
    if !fs::read_link(&link).is_ok_and(|to| to == built) {
        let staging = tempfile::tempdir_in(&package)?;
        symlink(&built, staging.path().join(name))?;
        fs::rename(staging.path().join(name), &link)?;
    }
    Ok(package)
}
