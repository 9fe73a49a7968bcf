# Where a tool brings files onto a machine in activation scripts, a unit that runs these once more. Nothing but the unit of an
# artifact whose files are not complete starts it: a key that was not there at boot may have come.
{
  lib,
  config,
  options,
  pkgs,
  backend,
  scripts, # the tool's, in their order
}:
let
  all = if options ? system.activationScripts then config.system.activationScripts else { };
  there = lib.filter (name: all ? ${name}) scripts;
  name = "artifacts-install-${backend}";
in
{
  units = lib.optional (there != [ ]) "${name}.service";

  services.${name} = lib.mkIf (there != [ ]) {
    description = "Installation of the files of ${backend}, once more";
    # As the activation has it.
    path = map (tool: pkgs.${tool}) (
      lib.filter (tool: pkgs ? ${tool}) [
        "coreutils"
        "gnugrep"
        "findutils"
        "getent"
        "util-linux"
      ]
    );
    script = lib.concatMapStrings (name: "${all.${name}.text or all.${name}}\n") there;
    restartIfChanged = false;
    serviceConfig.Type = "oneshot";
  };
}
