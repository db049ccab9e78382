"""Generated protobuf messages (hack/gen-proto makes them from proto/); no grpc in here."""
