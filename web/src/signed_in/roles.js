// What a staff role is called in the house.

const NAMES = {
  doctor: "医生",
  nurse: "护士",
  pharmacist: "药师",
  technician: "检验技师",
  cashier: "收费员",
  registrar: "挂号员",
  system_admin: "系统管理员",
  security_admin: "安全管理员",
  audit_admin: "审计管理员",
};

export const roleSaid = (role) => NAMES[role] ?? role;
