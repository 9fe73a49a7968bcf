# A user's unit for each of the user's artifacts, which is up while its files are complete, and one watcher for them all.
{
  lib,
  config,
  options,
  pkgs,
  ...
}:
let
  cfg = config.artifacts;
  all = import ./describe.nix { inherit lib config pkgs; };
  inherit (all) artifacts escape;

  hasSystemd = options ? systemd.user.services;
  # Who makes units by itself, as under macOS or without a session, has none of ours.
  hasUnits = config.systemd.user.enable or true;
  active = cfg.store != { } && cfg.targetPackage != null && hasUnits;
  makesHere = all.onTarget && cfg.package != null;

  dir = "${config.xdg.configHome}/artifacts";
  program = name: "${dir}/bin/${name}";
  command = words: lib.concatMapStringsSep " " escape.word words;

  keep = {
    X-RestartIfChanged = false;
    X-SwitchMethod = "keep-old";
  };

  looks = one: {
    Unit.After = one.installers;
    Service.ExecStart = command [
      (program "artifacts-target")
      "check"
      "--deploy"
      "--user"
      "--"
      one.artifact.name
      "${dir}/manifest.json"
    ];
    Service.TimeoutStartSec = all.opening;
  };

  makes =
    one:
    let
      needed = lib.filter (other: lib.elem other.artifact.name one.needs) artifacts;
    in
    {
      # It makes them itself where it has to, and fails on theirs. Nor does it stop with them: it was made of them once.
      Unit.Wants = map (other: other.unit) needed;
      Unit.After = map (other: other.unit) needed;
      Service.Environment = [
        "PATH=${
          lib.makeBinPath (lib.optional (pkgs ? bubblewrap) pkgs.bubblewrap ++ generatorTools)
        }:/usr/bin:/bin"
      ];
      Service.TimeoutStartSec = all.patience one;
      Service.ExecStart = activate one;
      # A switch has it look again, without a stop of what is bound to it.
      Service.ExecReload = activate one;
      Unit.X-ReloadIfChanged = true;
      Unit.X-SwitchMethod = "reload";
      Unit.X-Reload-Triggers = [ (all.changes one) ];
    };

  generatorTools = [
    pkgs.coreutils
    pkgs.bash
  ];

  activate =
    one:
    "${
      command [
        (program "artifacts")
        "--spec"
        "${dir}/target.json"
        "activate"
        "--links"
        cfg.directory
      ]
    } --bytes %t/artifacts.d ${command [ one.artifact.instance ]}";

  # Without RequiresMountsFor: a user's manager mounts nothing. What a user's paths lie on is there before it starts.
  unitOf =
    one:
    lib.recursiveUpdate {
      Unit = {
        Description = "Artifact ${escape.text one.artifact.name}";
        # The default ones would order it after sockets and paths that may be bound to it.
        DefaultDependencies = false;
        Conflicts = [ "shutdown.target" ];
        Before = [ "shutdown.target" ];
      }
      // keep;
      Service = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      Install.WantedBy = [ "default.target" ];
    } (if one.onTarget then makes one else looks one);

  watcher = {
    Unit.Description = "Watcher of artifacts";
    # What it sees first counts as known: a content that replaces the first one must not come before that.
    Unit.After = all.watched;
    Unit.X-Restart-Triggers = [ "${cfg.targetPackage}" ];
    Service = {
      Type = "notify";
      ExecStart = command [
        (program "artifacts-target")
        "watch"
        "--user"
        "${dir}/manifest.json"
      ];
      Restart = "on-failure";
      RestartSec = 5;
      RuntimeDirectory = "artifacts-watch";
      RuntimeDirectoryMode = "0700";
      RuntimeDirectoryPreserve = "yes";
      NoNewPrivileges = true;
    };
    Install.WantedBy = [ "default.target" ];
  };

  # A switch restarts it with every other manifest.
  cleaner = {
    Unit.Description = "Removal of artifacts that are no longer declared";
    Unit.X-Restart-Triggers = [ (builtins.hashString "sha256" all.manifest) ];
    Service = {
      Type = "oneshot";
      RemainAfterExit = true;
      TimeoutStartSec = all.glance;
      ExecStart = "${
        command [
          (program "artifacts-target")
          "clean"
          "--links"
          cfg.directory
        ]
      } --bytes %t/artifacts.d ${command [ "${dir}/manifest.json" ]}";
      NoNewPrivileges = true;
    };
    Install.WantedBy = [ "default.target" ];
  };

  # A drop-in, since the text of the same line in the unit may be of another type than ours.
  dropIn =
    unit: units:
    lib.nameValuePair "systemd/user/${unit}.d/artifacts.conf" {
      text = ''
        [Unit]
        ${lib.optionalString (comesEarly unit) apart}${
          lib.concatMapStrings (one: "BindsTo=${one}\nAfter=${one}\n") units
        }${
          lib.optionalString (all.loaded ? ${unit}) "[Service]\n"
        }${lib.concatMapStrings (line: "LoadCredential=${line}\n") (all.loaded.${unit} or [ ])}'';
    };

  # Installers come after all of these by default, and what waits for an artifact comes after its installer.
  comesEarly = unit: builtins.match ".*\\.(socket|timer|path)" unit != null;
  apart = ''
    DefaultDependencies=no
    Conflicts=shutdown.target
    Before=shutdown.target
  '';

  defined =
    kind: name:
    let
      template = builtins.match "([^@]*@).*" name;
      names = [ name ] ++ lib.optionals (template != null) template;
    in
    all.isRefused kind || lib.any (wanted: config.systemd.user.${kind} ? ${wanted}) names;
in
{
  imports = [ ./options.nix ];

  config = lib.mkMerge [
    {
      artifacts.problems = all.mounts (
        unit: "systemd.user.mounts.<name>.Unit, with `${unit}` as BindsTo and After"
      );
    }
    (lib.optionalAttrs hasSystemd {
      artifacts.problems = lib.optionals hasUnits (all.problems "systemd.user" defined);

      xdg.configFile = lib.mkIf active (
        {
          "artifacts/manifest.json".text = all.manifest;
          "artifacts/bin/artifacts-target".source = "${cfg.targetPackage}/bin/artifacts-target";
        }
        // lib.optionalAttrs makesHere {
          "artifacts/bin/artifacts".source = "${cfg.package}/bin/artifacts";
          "artifacts/target.json".text = all.spec "home-manager";
        }
        // lib.mapAttrs' dropIn all.bound
      );

      systemd.user.services = lib.mkIf active (
        lib.listToAttrs (map (one: lib.nameValuePair "artifact-${one.name}" (unitOf one)) artifacts)
        // {
          artifacts-watch = watcher;
          artifacts-clean = cleaner;
        }
      );
    })
  ];
}
