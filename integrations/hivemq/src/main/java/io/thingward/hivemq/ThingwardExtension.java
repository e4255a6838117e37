package io.thingward.hivemq;

import com.hivemq.extension.sdk.api.ExtensionMain;
import com.hivemq.extension.sdk.api.auth.SimpleAuthenticator;
import com.hivemq.extension.sdk.api.auth.parameter.SimpleAuthInput;
import com.hivemq.extension.sdk.api.auth.parameter.SimpleAuthOutput;
import com.hivemq.extension.sdk.api.events.client.ClientLifecycleEventListener;
import com.hivemq.extension.sdk.api.events.client.parameters.AuthenticationSuccessfulInput;
import com.hivemq.extension.sdk.api.events.client.parameters.ConnectionStartInput;
import com.hivemq.extension.sdk.api.events.client.parameters.DisconnectEventInput;
import com.hivemq.extension.sdk.api.packets.connect.ConnackReasonCode;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartOutput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopOutput;
import com.hivemq.extension.sdk.api.services.Services;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Decides by Thingward who may connect, publish and subscribe. With settings that cannot be used nobody may. */
public final class ThingwardExtension implements ExtensionMain {
  private static final Logger LOG = LoggerFactory.getLogger(ThingwardExtension.class);

  private Control control;

  @Override
  public void extensionStart(final ExtensionStartInput input, final ExtensionStartOutput output) {
    try {
      start(Settings.read(input.getExtensionInformation().getExtensionHomeFolder().toPath()));
    } catch (final Exception | LinkageError failure) {
      // An extension that does not start lets HiveMQ ask the next one, which may allow all.
      LOG.error("Thingward's settings cannot be used: nobody is let in.", failure);
      final SimpleAuthenticator nobody = ThingwardExtension::refuse;
      Services.securityRegistry().setAuthenticatorProvider(asked -> nobody);
    }
  }

  private static void refuse(final SimpleAuthInput input, final SimpleAuthOutput output) {
    output.failAuthentication(ConnackReasonCode.NOT_AUTHORIZED);
  }

  private void start(final Settings settings) throws Exception {
    final Thingward thingward = new Thingward(settings);
    final Sessions sessions = new Sessions();
    final Filters filters = new Filters(Services.subscriptionStore());
    final Gate gate = new Gate(thingward, sessions, filters);
    final Rights rights = new Rights(thingward, sessions);
    if (settings.control().isPresent()) {
      control = new Control(settings.control().get(), settings.controlKey(), sessions, Services.clientService());
    }
    final Recheck recheck = new Recheck(thingward, sessions, filters, Services.clientService(), settings.grace());
    final long every = settings.recheck().toSeconds();
    Services.extensionExecutorService().scheduleWithFixedDelay(recheck::begin, every, every, TimeUnit.SECONDS);
    Services.eventRegistry().setClientLifecycleEventListener(asked -> forgettingIn(sessions));
    Services.securityRegistry().setAuthorizerProvider(asked -> rights);
    Services.securityRegistry().setAuthenticatorProvider(asked -> gate);
  }

  private static ClientLifecycleEventListener forgettingIn(final Sessions sessions) {
    return new ClientLifecycleEventListener() {
      @Override
      public void onMqttConnectionStart(final ConnectionStartInput input) {}

      @Override
      public void onAuthenticationSuccessful(final AuthenticationSuccessfulInput input) {}

      @Override
      public void onDisconnect(final DisconnectEventInput input) {
        sessions.remove(input.getConnectionInformation());
      }
    };
  }

  @Override
  public void extensionStop(final ExtensionStopInput input, final ExtensionStopOutput output) {
    if (control != null) {
      control.stop();
    }
  }
}
