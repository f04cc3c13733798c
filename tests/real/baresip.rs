//! baresip without a sound card: speaks a file, answers by itself, obeys over its control port (JSON in netstrings).

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::switch::PASSWORD;
use crate::{audio, wait_for};

/// A running baresip.
pub(crate) struct Baresip {
    child: Child,
    control: TcpStream,
    received: Vec<u8>,
}

impl Baresip {
    /// Registers `user` at `switch` and answers every call with bursts of `frequency`.
    pub(crate) fn start(folder: &Path, user: &str, switch: SocketAddr, frequency: f64) -> Baresip {
        Baresip::start_over("udp", folder, user, switch, frequency)
    }

    /// The same over another transport.
    pub(crate) fn start_over(
        transport: &str,
        folder: &Path,
        user: &str,
        switch: SocketAddr,
        frequency: f64,
    ) -> Baresip {
        let home = folder.join(format!("baresip-{user}"));
        fs::create_dir_all(&home).expect("a folder");
        let tone = home.join("tone.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&tone, spec).expect("a tone");
        (0..audio::RATE * 60)
            .for_each(|at| wav.write_sample(audio::burst(at, frequency)).expect("a sample"));
        wav.finalize().expect("a whole tone");
        let std::net::IpAddr::V4(address) = switch.ip() else { panic!("IPv4") };
        let (sip, control, rtp) = (free(address), free(address), free(address) & !1);
        let config = format!(
            "poll_method epoll\nsip_listen {address}:{sip}\ncall_max_calls 4\naudio_path {home}\naudio_source aufile,{tone}\n\
             audio_player aubridge,p\naudio_alert aubridge,l\naudio_buffer 20-160\nrtp_ports {rtp}-{end}\nrtcp_mux no\n\
             jitter_buffer_delay 5-10\nnet_interface {address}\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\n\
             module aufile.so\nmodule aubridge.so\nmodule_tmp uuid.so\nmodule_tmp account.so\nmodule_app contact.so\n\
             module_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen {address}:{control}\n",
            home = home.display(),
            tone = tone.display(),
            end = rtp + 60,
        );
        fs::write(home.join("config"), config).expect("a configuration");
        fs::write(home.join("contacts"), "").expect("no contacts");
        let account = format!(
            "<sip:{user}@real.test;transport={transport}>;auth_user={user};auth_pass={PASSWORD};outbound=\"sip:{switch};transport={transport}\";\
             regint=600;answermode=auto;audio_codecs=PCMU/8000/1;ptime=20\n"
        );
        fs::write(home.join("accounts"), account).expect("an account");
        let log = fs::File::create(home.join("log")).expect("a log");
        let child = Command::new("baresip")
            .args(["-f", home.to_str().expect("UTF-8"), "-s"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("baresip runs (Debian: baresip-core)");
        let stream = wait_for("baresip's control port", Duration::from_secs(20), || {
            TcpStream::connect((address, control)).ok()
        });
        stream.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
        Baresip { child, control: stream, received: Vec::new() }
    }

    /// Waits for an event.
    pub(crate) fn expect(&mut self, event: &str) {
        wait_for(&format!("baresip says {event}"), Duration::from_secs(20), || {
            let mut buffer = [0; 4096];
            if let Ok(length) = self.control.read(&mut buffer) {
                self.received.extend_from_slice(&buffer[..length]);
            }
            let at = String::from_utf8_lossy(&self.received).find(event)?;
            self.received.drain(..at);
            Some(())
        });
    }

    /// Gives a command.
    pub(crate) fn command(&mut self, command: &str) {
        let message = format!("{{\"command\":\"{command}\",\"token\":\"1\"}}");
        write!(self.control, "{}:{message},", message.len()).expect("baresip listens");
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free(address: Ipv4Addr) -> u16 {
    crate::sipp::free_port(address).port()
}
