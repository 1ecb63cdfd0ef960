//! Names of users and groups.

use uzers::{Groups, Users, UsersCache};

use crate::output::visible;

/// Looks each number up once.
#[derive(Default)]
pub struct Names(UsersCache);

impl Names {
    /// The user's name, or the number of one that has none.
    pub fn user(&self, uid: u32) -> String {
        match self.0.get_user_by_uid(uid) {
            Some(user) => visible(&user.name().to_string_lossy()).into_owned(),
            None => uid.to_string(),
        }
    }

    /// The group's name, or the number of one that has none.
    pub fn group(&self, gid: u32) -> String {
        match self.0.get_group_by_gid(gid) {
            Some(group) => visible(&group.name().to_string_lossy()).into_owned(),
            None => gid.to_string(),
        }
    }
}
