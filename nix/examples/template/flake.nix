{
  description = "A configuration file with a generated password in its place";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    agenix.url = "github:ryantm/agenix";
    artifacts.url = "git+https://example.org/artifacts";
    artifacts.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      nixpkgs,
      agenix,
      artifacts,
      ...
    }:
    let
      keys = import ./keys.nix;

      machine =
        name:
        nixpkgs.lib.nixosSystem {
          modules = [
            artifacts.nixosModules.default
            agenix.nixosModules.default
            ./machine.nix
            {
              nixpkgs.hostPlatform = "x86_64-linux";
              system.stateVersion = "26.05";
              boot.loader.grub.device = "nodev";
              fileSystems."/".device = "/dev/vda1";

              networking.hostName = name;
              artifacts.root = ./.;
              artifacts.default.backend = "agenix";
              artifacts.hostKey = keys.${name};
              artifacts.recipients.admin = keys.admin;
            }
          ];
        };
    in
    {
      nixosConfigurations = {
        web1 = machine "web1";
      };
    };
}
