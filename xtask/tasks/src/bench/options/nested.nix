# Machines with a container, a user and a specialisation, 31 artifacts together, as the command collects them.
{
  lib, # nixpkgs' own
  stubs, # the directory of the tests' inputs
  modules, # ours
  collect, # what makes specs of configurations
  bare, # whether under bare options of the same names and types instead
}:
let
  flake =
    name: inputs:
    let
      self = (import (stubs + "/${name}/flake.nix")).outputs (inputs // { inherit self; }) // {
        outPath = toString (stubs + "/${name}");
      };
    in
    self;
  nixpkgs = flake "nixpkgs" { };
  home-manager = flake "home-manager" { inherit nixpkgs; };

  onBare = options: import ./bare.nix { inherit lib options; };
  ours = {
    nixos = modules + "/nixos.nix";
    home = modules + "/home-manager.nix";
  };
  used =
    if bare then
      {
        nixos = onBare (system ours "first" { }).options.artifacts;
        home = onBare (user (system ours "first" { })).options.artifacts;
      }
    else
      ours;

  # The options of a user are not to be had from outside.
  user =
    machine:
    lib.evalModules {
      modules = [
        ours.home
        {
          _module.check = false;
          _module.args = {
            pkgs = nixpkgs.legacyPackages.x86_64-linux;
            osConfig = machine.config;
          };
        }
      ];
    };

  artifacts = lib.genAttrs (map (number: "a${toString number}") (lib.range 1 10)) (_: {
    files.secret.mode = "0440";
    files.public.secret = false;
    prompts.token.description = "a token";
  });

  settings = name: {
    artifacts = {
      target = name;
      root = /no/such/directory;
      default.backend = "agenix";
      hostKey = "age1host";
      store = artifacts;
    };
  };

  system =
    of: name: more:
    nixpkgs.lib.nixosSystem {
      modules = [
        of.nixos
        home-manager.nixosModules.home-manager
        {
          nixpkgs.hostPlatform = "x86_64-linux";
          networking.hostName = name;
        }
        (settings name)
        more
      ];
    };

  machine =
    name:
    system used name {
      containers."${name}-db".config.imports = [
        used.nixos
        (settings "${name}-db")
      ];
      home-manager.sharedModules = [ used.home ];
      home-manager.users.alice.imports = [ (settings "alice@${name}") ];
      specialisation.other.configuration.artifacts.store.more.files.secret = { };
    };

  specs =
    name:
    collect {
      kind = "nixos";
      inherit name;
      system = "x86_64-linux";
      problems = false;
    } { ${name} = machine name; };
in
{
  # How many artifacts a machine has.
  artifacts = lib.foldl' (
    sum: spec: sum + lib.length (lib.attrNames (lib.head spec.targets).artifacts)
  ) 0 (specs "web1");
  # The size of the specs of so many machines.
  bytes =
    machines:
    lib.foldl' (
      sum: number: sum + builtins.stringLength (builtins.toJSON (specs "web${toString number}"))
    ) 0 (lib.range 1 machines);
}
