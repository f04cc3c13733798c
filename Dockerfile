# The switch as a service: built with the toolchain, run without it, as nobody in particular.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release && strip target/release/tonspur

FROM debian:bookworm-slim
# The authorities that the system trusts vouch for carriers over TLS, where a trunk names none of its own.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN useradd --system --uid 10001 --home-dir /var/lib/tonspur --create-home tonspur \
 && install -d -o tonspur -g tonspur -m 0700 /var/lib/tonspur/recordings
COPY --from=build /src/target/release/tonspur /usr/local/bin/tonspur
# Prompts alone, for the demo; `serve` wants the folder mounted.
COPY --chown=tonspur:tonspur sip-profiles /var/lib/tonspur/sip-profiles
USER tonspur
WORKDIR /var/lib/tonspur
# SIP: phones on 5060, carriers on 5080, UDP and TCP; with TLS on 5061 and 5081; RTP: see sip-profiles/switch.toml.
EXPOSE 5060/udp 5060/tcp 5061/tcp 5080/udp 5080/tcp 5081/tcp
VOLUME ["/var/lib/tonspur/recordings"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tonspur"]
CMD ["serve"]
