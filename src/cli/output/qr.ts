import qrcode from 'qrcode-generator';

const quiet = 4;
// By the upper and the lower of two modules, dark or light.
const halves = { '00': ' ', '01': '▄', '10': '▀', '11': '█' } as const;

/**
 * A text as a QR code (ISO/IEC 18004), drawn here: nobody else sees it. A character has two modules, one above the other. With
 * colours it is dark on light whatever the terminal has. @throws Error for a text that is too long
 */
export function qrOf(text: string, { colours }: { colours: boolean }): string {
  const code = qrcode(0, 'M');
  code.addData(text, 'Byte');
  code.make();
  const size = code.getModuleCount();
  const isDark = (x: number, y: number): boolean => {
    const isInside = x >= 0 && y >= 0 && x < size && y < size;
    return isInside && code.isDark(y, x);
  };
  const positions = Array.from({ length: size + 2 * quiet }, (_, n) => n - quiet);
  const lines = positions
    .filter((_, n) => n % 2 === 0)
    .map((y) => positions.map((x) => halves[`${bit(isDark(x, y))}${bit(isDark(x, y + 1))}`]).join(''));
  return lines.map((line) => `${colours ? inInk(line) : line}\n`).join('');
}

const bit = (isSet: boolean): '0' | '1' => (isSet ? '1' : '0');
const inInk = (line: string): string => `\u001B[30;107m${line}\u001B[0m`;
