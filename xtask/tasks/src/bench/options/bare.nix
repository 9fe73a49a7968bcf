# A machine's options by the same names and types, and nothing else: no check, no function, no more than this one module.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.artifacts;

  of = type: mkOption { inherit type; };
  or' = default: type: mkOption { inherit type default; };

  strings = or' [ ] (types.listOf types.str);
  text = or' null (types.nullOr types.str);
  flag = default: or' default types.bool;
  program = types.either (types.addCheck types.package builtins.isAttrs) types.path;
  submodules = module: or' { } (types.attrsOf (types.submodule module));
  raws = or' [ ] (types.listOf types.raw);
  duration = or' null (
    types.nullOr (
      types.either types.ints.positive (types.strMatching "([1-9][0-9]{0,8})(d|h|min|s|w|y)")
    )
  );

  prompt =
    { name, ... }:
    {
      options = {
        name = or' name types.str;
        description = or' "input" types.str;
        type = or' "hidden" (
          types.enum [
            "hidden"
            "line"
            "multiline"
            "multiline-hidden"
          ]
        );
        testValue = text;
      };
    };

  file =
    artifact:
    { name, ... }:
    {
      options = {
        name = or' name types.str;
        path = or' "/run/artifacts/${artifact}/${name}" types.str;
        mode = or' "0400" types.str;
        owner = or' "root" types.str;
        group = or' "root" types.str;
        secret = flag true;
        deploy = flag true;
        neededFor = or' "services" (
          types.enum [
            "services"
            "users"
          ]
        );
        testValue = text;
        restartUnits = strings;
        reloadUnits = strings;
        exists = flag false;
        value = of types.str;
      };
    };

  artifact =
    { name, ... }:
    {
      options = {
        name = or' name types.str;
        description = text;
        shared = flag false;
        backend = or' cfg.default.backend types.str;
        files = submodules (file name);
        prompts = submodules prompt;
        generator = or' null (types.nullOr program);
        dependencies = strings;
        validation = or' null (types.nullOr types.anything);
        maxAge = duration;
        timeout = duration;
        network = flag false;
        bindUnits = strings;
        instance = or' "per-machine/${cfg.target}/${name}" types.str;
        entry = or' (/. + "/no/such/folder/secrets/per-machine/${cfg.target}/${name}") types.path;
      };
    };

  backend =
    { name, ... }:
    {
      options = {
        component = or' "builtin:${name}" (
          types.either (types.addCheck types.package builtins.isAttrs) (types.either types.path types.str)
        );
        sha256 = or' null (types.nullOr (types.strMatching "[0-9a-f]{64}"));
        storage = or' "secrets" types.str;
        grants = or' { } (types.attrsOf types.anything);
        limits = or' { } (types.attrsOf types.anything);
      };
    };

  keys = {
    publicHostKey = text;
    publicUserKeys = strings;
  };
in
{
  options.artifacts = {
    store = submodules artifact;
    default.backend = of types.str;
    target = or' config.networking.hostName types.str;
    root = or' null (types.nullOr types.path);
    directory = or' "/run/artifacts" types.str;
    backends = submodules backend;
    config = or' { } (
      types.submodule {
        freeformType = types.attrsOf (types.attrsOf types.anything);
        options = {
          agenix = keys // {
            identityPaths = or' null (types.nullOr (types.listOf types.str));
            machineName = text;
            username = text;
            storeDir = text;
            flakeStoreDir = or' null (types.nullOr types.path);
          };
          sops-nix = keys // {
            format = or' "binary" (
              types.enum [
                "binary"
                "json"
                "yaml"
              ]
            );
          };
          dummy.deterministic = or' null (types.nullOr types.bool);
        };
      }
    );
    system = or' "x86_64-linux" types.str;
    rendering = or' { } (types.attrsOf types.raw);
    _lib = or' { } types.raw;
    problems = raws;
    expected = raws;
    backendModules = strings;
    programs.artifacts = or' null (types.nullOr program);
    programs.artifacts-target = or' null (types.nullOr program);
    installers = submodules {
      options.units = strings;
      options.onTarget = flag false;
    };
  };
}
