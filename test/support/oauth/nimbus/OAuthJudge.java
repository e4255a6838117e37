import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;

/** What the Nimbus SDK, as it comes, makes of the OAuth routes. Arguments: server, client id, file with the device key, API key. */
class OAuthJudge {
  public static void main(String[] arguments) throws Exception {
    var client = new ClientID(arguments[1]);
    var pem = Files.readString(Path.of(arguments[2])).replaceAll("-----[^-]+-----|\\s", "");
    var key = (ECPrivateKey) KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
    var metadata = AuthorizationServerMetadata.resolve(new Issuer(arguments[0]));

    var assertion = new PrivateKeyJWT(client, metadata.getTokenEndpointURI(), JWSAlgorithm.ES256, key, null, null);
    var asked = new TokenRequest.Builder(metadata.getTokenEndpointURI(), assertion, new ClientCredentialsGrant()).build();
    var answer = TokenResponse.parse(asked.toHTTPRequest().send());
    if (!answer.indicatesSuccess()) throw new IllegalStateException(answer.toErrorResponse().getErrorObject().toString());
    AccessToken token = answer.toSuccessResponse().getTokens().getAccessToken();

    var secret = new Secret(arguments[3]);
    var reader = new ClientID("reader");
    var basic = introspect(metadata, new TokenIntrospectionRequest(metadata.getIntrospectionEndpointURI(), new ClientSecretBasic(reader, secret), token));
    var post = introspect(metadata, new TokenIntrospectionRequest(metadata.getIntrospectionEndpointURI(), new ClientSecretPost(reader, secret), token));
    var bearer = introspect(metadata, new TokenIntrospectionRequest(metadata.getIntrospectionEndpointURI(), new BearerAccessToken(arguments[3]), token));

    var wrong = new TokenIntrospectionRequest(metadata.getIntrospectionEndpointURI(), new ClientSecretBasic(reader, new Secret("wrong")), token);
    var refused = TokenIntrospectionResponse.parse(wrong.toHTTPRequest().send()).toErrorResponse().getErrorObject();
    System.out.println(String.join(" ", basic, post, bearer, refused.getHTTPStatusCode() + " " + refused.getCode()));
    System.out.println(token.getValue());
  }

  private static String introspect(AuthorizationServerMetadata metadata, TokenIntrospectionRequest request) throws Exception {
    var response = TokenIntrospectionResponse.parse(request.toHTTPRequest().send());
    return response.indicatesSuccess() && response.toSuccessResponse().isActive() ? "active" : "refused";
  }
}
