# Machines that are for trying alone: nothing that is stored comes onto them. A machine's VM is one.
kind: machineArtifacts:
{ lib, options, ... }:
let
  inherit (lib) mkOption types literalExpression;
  variants = lib.filter (variant: options ? virtualisation.${variant}) [
    "vmVariant"
    "vmVariantWithBootLoader"
  ];
in
{
  # By this name the collection of specs knows that nobody else says anything of a VM.
  _file = "artifacts/test-machine";
  key = "artifacts/test-machine";

  options.artifacts.testMachine = mkOption {
    type = types.bool;
    default = machineArtifacts.testMachine or false;
    defaultText = literalExpression (
      if kind == "home-manager" then "osConfig.artifacts.testMachine or false" else "false"
    );
    description = ''
      Whether this target is for trying alone: every artifact uses the backend `dummy`, so that its files are generated on the
      target, without any key. It is true in `virtualisation.vmVariant`, for `nixos-rebuild build-vm`; to try stored files in the
      VM, set `virtualisation.vmVariant.artifacts.testMachine = false;`.
    '';
    example = true;
  };

  config = lib.optionalAttrs (variants != [ ]) {
    virtualisation = lib.genAttrs variants (_: {
      artifacts.testMachine = lib.mkDefault true;
    });
  };
}
