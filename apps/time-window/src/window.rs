//! What the window looks like. It knows no reactor.

use eframe::egui;
use eframe::egui::{Align, CentralPanel, Color32, Layout, Panel, RichText, ScrollArea, Sense, TextEdit, vec2};

use crate::client::{Answer, Entry, Shared, State};

pub(crate) struct Window {
    shared: Shared,
    text: String,
}

impl Window {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, text: String::new() }
    }

    fn state(&self, ui: &mut egui::Ui) {
        let (colour, text) = match &self.shared.view().state {
            State::Connecting => (Color32::GRAY, "connecting".to_owned()),
            State::Connected(server) => (Color32::from_rgb(0x2e, 0xa0, 0x43), format!("connected to {server}")),
            State::Away(why) => (Color32::from_rgb(0xd0, 0x3b, 0x3b), format!("trying again: {why}")),
        };
        ui.horizontal(|ui| {
            let (dot, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
            ui.painter().circle_filled(dot.center(), 5.0, colour);
            ui.label(text);
        });
    }

    fn entry(ui: &mut egui::Ui, entry: &Entry) {
        ui.horizontal(|ui| {
            match &entry.answer {
                Answer::Awaited => ui.weak("\u{2026}"),
                Answer::Stamped(stamp, took) => {
                    ui.monospace(stamp).on_hover_text(format!("answered in {:.1} ms", took.as_secs_f64() * 1000.0))
                }
                Answer::Lost => ui.label(RichText::new("not answered").color(ui.visuals().warn_fg_color)),
            };
            ui.label(&entry.text);
        });
    }

    fn input(&mut self, ui: &mut egui::Ui) {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let pressed = ui.button("Send").clicked();
            let field = ui.add(
                TextEdit::singleline(&mut self.text).hint_text("A line for the server").desired_width(f32::INFINITY),
            );
            let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if pressed || entered {
                // What cannot be sent stays for later.
                if !self.text.is_empty() && self.shared.view().send(&self.text) {
                    self.text.clear();
                }
                field.request_focus();
            } else if ui.memory(|memory| memory.focused().is_none()) {
                field.request_focus();
            }
        });
    }
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        Panel::top("state").show(ui, |ui| self.state(ui));
        Panel::bottom("input").show(ui, |ui| self.input(ui));
        CentralPanel::default().show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).stick_to_bottom(true).show(ui, |ui| {
                for entry in &self.shared.view().entries {
                    Self::entry(ui, entry);
                }
            });
        });
    }
}
