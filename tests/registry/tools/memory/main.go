// Command memory serves an OCI 1.1 registry, referrers included, that keeps everything in memory.
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

func main() {
	server := &http.Server{
		Addr:              os.Args[1],
		Handler:           ociserver.New(ocimem.New(), nil),
		ReadHeaderTimeout: time.Minute,
	}
	log.Fatal(server.ListenAndServe())
}
