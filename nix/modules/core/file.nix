# One file of an artifact.
{
  lib,
  kind,
  cfg,
  entries,
}:
let
  inherit (lib) mkOption types literalExpression;
  called = import ./name.nix { inherit lib; };

  # What does not depend on which file it is: made once.
  fixed = {
    mode = mkOption {
      type = types.str;
      default = "0400";
      description = "Its mode on the target, an octal number.";
      example = "0440";
    };

    secret = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether it is secret. A public file is stored as plain text beside the secret ones, and can be read in Nix: see `value`.
      '';
      example = false;
    };

    deploy = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether it is for the target. Otherwise it is for admins and for artifacts that depend on this one, and encrypted to
        no machine: the private key of a certificate authority, for one. There must be an admin who can read it.
      '';
      example = false;
    };

    neededFor = mkOption {
      type = types.enum [
        "services"
        "users"
      ];
      default = "services";
      description = ''
        What must not start before it is there: `services`, or already the making of `users`, as for a
        `users.users.<name>.hashedPasswordFile`. Not every backend can serve the latter; one that cannot says so.
      '';
      example = "users";
    };

    testValue = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = ''
        What it is where it would be made on the target, in place of what the generator makes; elsewhere it means nothing. A public
        file has a `value` there only by this. The files of an artifact belong together: give it to each of them, or to none. A change
        counts from the next boot. It is world-readable, so no real one belongs here.
      '';
      example = "hunter2";
    };

    restartUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "The systemd units that are restarted when its content changes.";
      example = [ "atticd.service" ];
    };

    reloadUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "The systemd units that are reloaded when its content changes.";
      example = [ "nginx.service" ];
    };
  }
  // lib.optionalAttrs (kind != "home-manager") {
    owner = mkOption {
      type = types.str;
      default = "root";
      description = "Its owner on the target. One that is no user there yet leaves it root's, and is warned of.";
      example = "atticd";
    };

    group = mkOption {
      type = types.str;
      default = entries.rootGroup;
      defaultText = literalExpression (if kind == "darwin" then ''"wheel"'' else ''"root"'');
      description = "Its group on the target.";
      example = "atticd";
    };
  };
in
artifact:
let
  # What is made on the target lies nowhere else.
  onTarget = cfg.installers.${artifact.backend}.onTarget or false;
in
{ name, config, ... }:
let
  public = "public/${name}";

  # What was stored for other machines is not what this one makes.
  text =
    if onTarget then
      if config.testValue == null then entries.made artifact config else config.testValue
    else if config.exists then
      builtins.readFile (entries.file artifact public)
    else
      entries.missing artifact name;
in
{
  options = fixed // {
    name = called "file" name;

    path = mkOption {
      type = types.str;
      default =
        if config.secret || onTarget then
          "${cfg.directory}/${artifact.name}/${name}"
        else
          entries.storePath artifact public;
      defaultText = literalExpression ''"''${config.artifacts.directory}/<artifact>/<file>"; a public file's own store path'';
      description = ''
        Where the target finds it: what a service's configuration refers to. It is absolute; a user's may begin with
        `''${XDG_RUNTIME_DIR}/`.
      '';
      example = "/var/lib/attic/secrets/env";
    };

    exists = mkOption {
      type = types.bool;
      readOnly = true;
      default =
        !config.secret && (if onTarget then config.testValue != null else entries.exists artifact public);
      defaultText = literalExpression "whether a public file was made";
      description = ''
        Whether a public file was made, so that `value` can be read. Of one that is made on the target: whether it has a `testValue`.
      '';
    };

    value = mkOption {
      type = types.str;
      readOnly = true;
      default =
        if config.secret then
          throw "artifacts: ${artifact.instance}: `${name}` is secret and has no value; read it on the target, at its path"
        else
          lib.removeSuffix "\n" text;
      defaultText = literalExpression "the text of a public file";
      description = ''
        The text of a public file without its final newline. Reading one that was not made yet fails with the command to run. Of one
        that is made on the target it is the `testValue`; without that, reading it fails.
      '';
    };
  };
}
