// The first boot with a client that oapi-codegen made, errors included.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"

	"thingward/generated-client/client"
)

func connect(token string) *client.ClientWithResponses {
	authorize := client.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
		request.Header.Set("authorization", "Bearer "+token)
		return nil
	})
	made, err := client.NewClientWithResponses(os.Getenv("THINGWARD_URL"), authorize)
	if err != nil {
		log.Fatal(err)
	}
	return made
}

func main() {
	ctx := context.Background()
	admin := connect(os.Getenv("THINGWARD_API_KEY"))
	key := "0f8fad5b-d9cb-469f-a165-go-client"
	wanted := client.NewEnrollment{ThingNamePattern: "go-*", MaxUses: 2}
	enroll := func() *client.CreatedEnrollment {
		answer, err := admin.CreateEnrollmentWithResponse(ctx, &client.CreateEnrollmentParams{IdempotencyKey: &key}, wanted)
		if err != nil || answer.JSON201 == nil {
			log.Fatal("enrollment: ", err, string(answer.Body))
		}
		return answer.JSON201
	}
	enrollment, again := enroll(), enroll()
	kind, name := client.EcP256, "go-1"
	boot, err := connect(enrollment.Token).ProvisionThingWithResponse(ctx, client.ProvisionRequest{ThingName: &name, KeyType: &kind})
	if err != nil || boot.JSON201 == nil {
		log.Fatal("first boot: ", err, string(boot.Body))
	}
	prefix := "go-"
	things, err := admin.ListThingsWithResponse(ctx, &client.ListThingsParams{NamePrefix: &prefix})
	if err != nil || things.JSON200 == nil {
		log.Fatal("list: ", err, string(things.Body))
	}
	names := []string{}
	for _, thing := range things.JSON200.Items {
		names = append(names, thing.Name)
	}
	missing, err := admin.GetThingWithResponse(ctx, "go-2")
	if err != nil || missing.ApplicationproblemJSON4XX == nil {
		log.Fatal("refusal: ", err, string(missing.Body))
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"repeated": again.Id == enrollment.Id,
		"thing":    boot.JSON201.Thing.Name,
		"serial":   len(boot.JSON201.Certificate.SerialNumber),
		"listed":   names,
		"refused":  missing.ApplicationproblemJSON4XX.Type,
	})
}
