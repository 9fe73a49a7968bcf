# Machines that declare the same artifacts, under the options of `module`, each forced to its last value.
{
  lib, # nixpkgs' own
  module,
  bare ? false, # whether under bare options of the same names and types instead
}:
let
  artifacts = lib.genAttrs (map (number: "artifact-${toString number}") (lib.range 1 10)) (name: {
    description = "an artifact";
    files.env = {
      owner = "atticd";
      group = "atticd";
      mode = "0440";
      restartUnits = [ "atticd.service" ];
    };
    files.public.secret = false;
    prompts.token.description = "a token";
    dependencies = lib.optional (name != "artifact-1") "artifact-1";
    validation.host = "web";
    timeout = 60;
    generator = ./fleet.nix;
  });

  # What of NixOS our modules look at.
  around =
    let
      of = type: lib.mkOption { inherit type; };
    in
    {
      options.users.users = of (lib.types.attrsOf lib.types.raw);
      options.users.groups = of (lib.types.attrsOf lib.types.raw);
      options.networking.hostName = of lib.types.str;
      options.assertions = of (lib.types.listOf lib.types.raw);
      options.warnings = of (lib.types.listOf lib.types.raw);
      options.age.secrets = of (lib.types.attrsOf lib.types.raw);
      options.age.identityPaths = of (lib.types.listOf lib.types.str);
      options.age.secretsDir = lib.mkOption { default = "/run/agenix"; };
    };

  bareModule = import ./bare.nix {
    inherit lib;
    options = (machineWith module 1).options.artifacts;
  };

  machine = machineWith (if bare then bareModule else module);

  machineWith =
    module: number:
    lib.evalModules {
      modules = [
        module
        around
        {
          _module.args.pkgs.stdenv.hostPlatform.system = "x86_64-linux";
          users.users.atticd = { };
          users.groups.atticd = { };
          networking.hostName = "web${toString number}";
          artifacts.root = /no/such/directory;
          artifacts.default.backend = "agenix";
          artifacts.config.agenix = {
            publicHostKey = "age1host";
            publicUserKeys = [ "age1admin" ];
          };
          artifacts.store = artifacts;
        }
      ];
    };

  # A secret has no value, and a public file that was not made yet has no path.
  file = declared: removeAttrs declared ([ "value" ] ++ lib.optional (!declared.secret) "path");

  # Paths as texts, so that nothing is copied to the store.
  artifact =
    declared:
    declared
    // {
      files = lib.mapAttrs (_: file) declared.files;
      entry = toString declared.entry;
      generator = toString declared.generator;
    };

  # What the command reads of a machine, in its order: the checks for faults come last.
  values =
    { artifacts, ... }:
    {
      inherit (artifacts)
        backends
        config
        default
        directory
        system
        target
        ;
      x-problems = artifacts.problems;
      root = toString artifacts.root;
      store = lib.mapAttrs (_: artifact) artifacts.store;
    };

  bytes =
    of: machines:
    lib.foldl' (
      sum: number: sum + builtins.stringLength (builtins.toJSON (of (machine number).config))
    ) 0 (lib.range 1 machines);
in
{
  options = map (option: "${option.name}: ${option.type}") (
    lib.filter (option: lib.hasPrefix "artifacts." option.name) (
      lib.optionAttrSetToDocList (machine 1).options
    )
  );
  values = values (machine 1).config;
  # Of so many machines, with the checks for faults and without.
  checked = machines: bytes values machines;
  alone = machines: bytes (config: removeAttrs (values config) [ "x-problems" ]) machines;
}
