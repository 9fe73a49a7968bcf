# A unit for each artifact of a machine, which is up while the artifact's files are complete, and one watcher for them all.
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

  # Our own file, to tell our definitions from others'.
  here = "artifacts/units";
  hasSystemd = options ? systemd.services;
  active = cfg.store != { } && cfg.targetPackage != null;
  makesHere = all.onTarget && cfg.package != null;

  # Through /etc, so that another version of the program changes no unit that something is bound to.
  dir = "/etc/artifacts";
  program = name: "${dir}/bin/${name}";
  command = words: lib.concatMapStringsSep " " escape.word words;

  usersMade = [
    "systemd-sysusers.service"
    "userborn.service"
  ];
  inherit (cfg._lib) makesUsers;

  # Only looks: it needs nothing but what it looks at. Started later, it has the files deployed once more: a key may have come.
  looks = one: {
    path = [ config.systemd.package ];
    unitConfig.DefaultDependencies = false;
    after = one.installers ++ usersMade;
    conflicts = [ "shutdown.target" ];
    before = [ "shutdown.target" ];
    serviceConfig.ExecStart = command [
      (program "artifacts-target")
      "check"
      "--deploy"
      "--"
      one.artifact.name
      "${dir}/manifest.json"
    ];
    serviceConfig.TimeoutStartSec = all.opening;
  };

  # Makes the files, after those that it reads are there.
  makes =
    one:
    let
      needed = lib.filter (other: lib.elem other.artifact.name one.needs) artifacts;
    in
    {
      # It makes them itself where it has to, and fails on theirs. Nor does it stop with them: it was made of them once.
      wants = map (other: other.unit) needed;
      path = lib.optional (pkgs ? bubblewrap) pkgs.bubblewrap ++ [
        pkgs.coreutils
        pkgs.bash
      ];
      # The default ones would order it after sockets, paths and what makes users, which may wait for it.
      unitConfig.DefaultDependencies = false;
      after =
        map (other: other.unit) needed
        ++ (if one.early then [ "systemd-remount-fs.service" ] else usersMade ++ [ "local-fs.target" ]);
      before = lib.optionals one.early makesUsers ++ [ "shutdown.target" ];
      conflicts = [ "shutdown.target" ];
      wantedBy = lib.optionals one.early makesUsers;
      serviceConfig.TimeoutStartSec = all.patience one;
      # What the backends did is recorded there.
      serviceConfig.LogsDirectory = "artifacts";
      serviceConfig.LogsDirectoryMode = "0700";
      serviceConfig.ExecStart = activate one;
      # A switch has it look again, without a stop of what is bound to it.
      reloadIfChanged = true;
      restartTriggers = [ (all.changes one) ];
      serviceConfig.ExecReload = activate one;
    };

  activate =
    one:
    command [
      (program "artifacts")
      "--spec"
      "${dir}/target.json"
      "--audit-log"
      "/var/log/artifacts/audit.jsonl"
      "activate"
      "--links"
      cfg.directory
      one.artifact.instance
    ];

  unitOf =
    one:
    lib.mkMerge [
      {
        description = "Artifact ${escape.text one.artifact.name}";
        wantedBy = [ "multi-user.target" ];
        unitConfig.RequiresMountsFor = map escape.path one.paths;
        # The watcher knows better than a changed line whether something that is bound to it must stop.
        restartIfChanged = false;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
        };
      }
      (if one.onTarget then makes one else looks one)
    ];

  watcher = {
    description = "Watcher of artifacts";
    wantedBy = [ "multi-user.target" ];
    # What it sees first counts as known: a content that replaces the first one must not come before that.
    after = all.watched;
    path = [ config.systemd.package ];
    stopIfChanged = false;
    restartTriggers = [ "${cfg.targetPackage}" ];
    serviceConfig = {
      Type = "notify";
      ExecStart = command [
        (program "artifacts-target")
        "watch"
        "${dir}/manifest.json"
      ];
      Restart = "on-failure";
      RestartSec = 5;
      RuntimeDirectory = "artifacts-watch";
      RuntimeDirectoryMode = "0700";
      RuntimeDirectoryPreserve = "yes";
      CapabilityBoundingSet = [ "CAP_DAC_READ_SEARCH" ];
    }
    // confined;
  };

  # A switch restarts it with every other manifest.
  cleaner = {
    description = "Removal of artifacts that are no longer declared";
    wantedBy = [ "multi-user.target" ];
    stopIfChanged = false;
    restartTriggers = [ (builtins.hashString "sha256" all.manifest) ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      TimeoutStartSec = all.glance;
      ExecStart = command [
        (program "artifacts-target")
        "clean"
        "--links"
        cfg.directory
        "${dir}/manifest.json"
      ];
      # Links may be in directories of services.
      CapabilityBoundingSet = [
        "CAP_DAC_OVERRIDE"
        "CAP_FOWNER"
      ];
    }
    // confined;
  };

  confined = {
    IPAddressDeny = "any";
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    RestrictAddressFamilies = [ "AF_UNIX" ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
  };

  binding =
    name: units:
    {
      bindsTo = units;
      after = units;
    }
    # An instance has its lines from its template.
    // lib.optionalAttrs (lib.hasInfix "@" name && !lib.hasSuffix "@" name) {
      overrideStrategy = lib.mkDefault "asDropin";
    };

  boundOf =
    kind:
    lib.listToAttrs (
      lib.concatMap (
        unit:
        let
          known = all.parse unit;
        in
        lib.optional (known != null && known.kind == kind) (
          lib.nameValuePair known.name (
            binding known.name all.bound.${unit}
            // lib.optionalAttrs (all.loaded ? ${unit}) {
              serviceConfig.LoadCredential = all.loaded.${unit};
            }
          )
        )
      ) (lib.attrNames all.bound)
    );

  # Its template counts for an instance.
  defined =
    kind: name:
    let
      template = builtins.match "([^@]*@).*" name;
      names = [ name ] ++ lib.optionals (template != null) template;
      others = lib.filter (one: one.file != here) options.systemd.${kind}.definitionsWithLocations;
    in
    all.isRefused kind || lib.any (one: lib.any (wanted: one.value ? ${wanted}) names) others;
in
{
  _file = here;
  imports = [ ./options.nix ];

  config = lib.mkMerge [
    {
      artifacts.problems = all.mounts (
        unit:
        "fileSystems.<where>.options = [ \"nofail\" \"x-systemd.requires=${unit}\" ]; or, in systemd.mounts, bindsTo and after"
      );
    }
    (lib.optionalAttrs hasSystemd {
      artifacts.problems = all.problems "systemd" defined;

      environment.etc = lib.mkIf active (
        {
          "artifacts/manifest.json".text = all.manifest;
          "artifacts/bin/artifacts-target".source = "${cfg.targetPackage}/bin/artifacts-target";
        }
        // lib.optionalAttrs makesHere {
          "artifacts/bin/artifacts".source = "${cfg.package}/bin/artifacts";
          "artifacts/target.json".text = all.spec "nixos";
        }
      );

      systemd = lib.mkIf active {
        services = lib.mkMerge [
          {
            artifacts-watch = watcher;
            artifacts-clean = cleaner;
          }
          (lib.listToAttrs (map (one: lib.nameValuePair "artifact-${one.name}" (unitOf one)) artifacts))
          (boundOf "services")
        ];
        sockets = boundOf "sockets";
        targets = boundOf "targets";
        timers = boundOf "timers";
        paths = boundOf "paths";
        slices = boundOf "slices";
      };
    })
  ];
}
