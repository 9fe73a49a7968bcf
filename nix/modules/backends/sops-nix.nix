# Brings what the backend `sops-nix` stored onto the target, through sops-nix. Without sops-nix it defines nothing.
{
  lib,
  config,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  keys = import ./keys.nix {
    inherit lib config;
    backend = "sops-nix";
    tool = "sops-nix";
    module = "sops";
    imported = options ? sops;
    fields = [ "format" ];
  };
  inherit (keys) cfg entries;

  again = import ./deploy-again.nix {
    inherit
      lib
      config
      options
      pkgs
      ;
    backend = "sops-nix";
    scripts = [
      "setupSecretsForUsers"
      "setupSecrets"
    ];
  };

  # In which file of the entry a declared file is: the backend's own layout. What is not deployed to all targets of a shared artifact
  # has a file of its own.
  declaredFormat = artifact: (keys.of artifact).format;
  binary = file: "${file.name}.sops";
  formatOf =
    artifact: file:
    if artifact.shared && entries.exists artifact (binary file) then
      "binary"
    else
      declaredFormat artifact;
  stored =
    artifact: file:
    let
      format = formatOf artifact file;
    in
    if format == "binary" then binary file else "secrets.sops.${format}";

  # sops-nix has options for owners and units on machines only, and on darwin none for units.
  onMachine = entries.kind != "home-manager";
  onNixos = entries.kind == "nixos";

  # For a user it puts the runtime directory in the place of `%r`, anywhere, and a `%` in that of `%%`. It knows no variable.
  placed =
    path:
    let
      below = entries.belowRuntime path;
      plain = builtins.replaceStrings [ "%" ] [ "%%" ];
    in
    if onMachine then
      path
    else if below == null then
      plain path
    else
      "%r/${plain below}";

  # It looks names up, and takes numbers apart from them; older versions take none.
  isNumber = value: builtins.match "[0-9]+" value != null;
  takesNumbers = (options.sops.secrets.type.getSubOptions [ ]) ? uid;
  byNumber =
    who:
    who
    // lib.optionalAttrs (takesNumbers && isNumber who.owner) {
      owner = null;
      uid = lib.toIntBase10 who.owner;
    }
    // lib.optionalAttrs (takesNumbers && isNumber who.group) {
      group = null;
      gid = lib.toIntBase10 who.group;
    };
  numbered =
    artifact: file:
    map
      (
        field:
        keys.fault artifact
          [
            "files"
            file.name
            field
          ]
          "`${file.${field}}`: this version of sops-nix does not accept numbers; write a name, or use a newer sops-nix"
      )
      (
        lib.filter (field: isNumber file.${field}) [
          "owner"
          "group"
        ]
      );
  numbers =
    artifact:
    lib.optionals (onMachine && options ? sops && !takesNumbers) (
      lib.concatMap (numbered artifact) (keys.deployed artifact)
    );

  render =
    artifact: file:
    {
      sopsFile = entries.storePath artifact (stored artifact file);
      format = formatOf artifact file;
      # The default is a name with a slash, which would mean a nested map.
      key = file.name;
      inherit (file) mode;
      path = placed file.path;
    }
    // lib.optionalAttrs onMachine (byNumber (keys.ownership file))
    // lib.optionalAttrs onMachine { neededForUsers = file.neededFor == "users"; }
    # By content and never at a boot: our own watcher tells units of changes, and sops-nix where there is none, so that none hears it twice.
    // lib.optionalAttrs (onNixos && config.artifacts.targetPackage == null) {
      inherit (file) restartUnits reloadUnits;
    };

  rsa = lib.hasPrefix "ssh-rsa ";
  useless =
    key:
    keys.problem [ ]
      "artifacts.config.sops-nix.${key}: sops-nix does not support ssh-rsa keys; use an ssh-ed25519 key or an age recipient";
  rsaOnly =
    lib.optional (onMachine && cfg.publicHostKey != null && rsa cfg.publicHostKey) (
      useless "publicHostKey"
    )
    ++ lib.optional (
      !onMachine && cfg.publicHostKey == null && cfg.publicUserKeys != [ ] && lib.all rsa cfg.publicUserKeys
    ) (
      useless "publicUserKeys"
    );

  reserved =
    artifact:
    map
      (
        file:
        keys.fault artifact
          [
            "files"
            file.name
          ]
          "`${file.name}` cannot be a key in a ${declaredFormat artifact} file of sops; rename it, or set artifacts.config.sops-nix.format = \"binary\""
      )
      (
        lib.filter (
          file:
          declaredFormat artifact != "binary"
          && (
            lib.elem file.name [
              "sops"
              "<<"
            ]
            || lib.hasSuffix "_unencrypted" file.name
          )
        ) (keys.deployed artifact)
      );
in
{
  options.artifacts.config.sops-nix = keys.options // {
    format = mkOption {
      type = types.enum [
        "binary"
        "json"
        "yaml"
      ];
      default = "binary";
      description = ''
        Format of the stored files: `binary` has one sops file for each file and accepts any bytes; `json` and `yaml` have one for all
        deployed files of an artifact, with a key for each, and accept text only. A value that is stored in another format is stale,
        and can be read only while that format is declared: it moves as to another backend (`artifacts.store.<name>.backend`).
      '';
      example = "yaml";
    };
  };

  config = lib.mkMerge [
    {
      artifacts.backendModules = [ "sops-nix" ];
      artifacts.narrow.sops-nix = keys.narrow;
      artifacts.problems =
        keys.problems
        ++ rsaOnly
        ++ keys.ofEach (artifact: keys.early artifact ++ numbers artifact ++ reserved artifact);
    }
    (lib.optionalAttrs (options.artifacts ? installers) {
      artifacts.installers.sops-nix.notifies = onNixos;
      artifacts.installers.sops-nix.units =
        if onNixos then
          [
            "sops-install-secrets.service"
            "sops-install-secrets-for-users.service"
          ]
          ++ again.units
        else
          [ "sops-nix.service" ];
    })
    (lib.optionalAttrs (options.artifacts ? installers && options ? sops && options ? systemd.services) {
      systemd.services = again.services;
    })
    (lib.optionalAttrs (options ? sops) {
      artifacts.rendering = lib.mkIf (keys.certain != [ ]) {
        sops-nix.neededFor = [ "services" ] ++ lib.optional onNixos "users";
      };
      artifacts.expected = keys.expected stored;
      sops.secrets = keys.secrets (_: true) render;
    })
  ];
}
