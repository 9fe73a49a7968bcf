{
  description = "Two machines and a WireGuard tunnel between them: no key is copied by hand";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    agenix.url = "github:ryantm/agenix";
    artifacts.url = "git+https://example.org/artifacts";
    artifacts.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      agenix,
      artifacts,
      ...
    }:
    let
      keys = import ./keys.nix;

      machine =
        {
          name,
          address,
          peer,
        }:
        nixpkgs.lib.nixosSystem {
          specialArgs.peer = self.nixosConfigurations.${peer};
          modules = [
            artifacts.nixosModules.default
            agenix.nixosModules.default
            ./machine.nix
            {
              networking.hostName = name;
              tunnel.address = address;
              artifacts.hostKey = keys.${name};
              artifacts.recipients.admin = keys.admin;
            }
          ];
        };
    in
    {
      nixosConfigurations = {
        hub = machine {
          name = "hub";
          address = "10.0.0.1";
          peer = "leaf";
        };
        leaf = machine {
          name = "leaf";
          address = "10.0.0.2";
          peer = "hub";
        };
      };
    };
}
