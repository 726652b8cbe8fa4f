/** The version of package.json, which a test keeps equal. */
export const VERSION = '0.1.0';
