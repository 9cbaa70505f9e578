namespace FineMixing.Reports.Drawing;

/// <summary>Puts labels beside their points so that none covers another label or a marked point.</summary>
internal sealed class LabelPlacer(double left, double top, double right, double bottom)
{
    private readonly List<(double X, double Y, double W, double H)> _taken = [];

    /// <summary>Keeps labels off a point.</summary>
    public void Block(double x, double y, double radius) => _taken.Add((x - radius, y - radius, 2 * radius, 2 * radius));

    /// <summary>The baseline start of a label near a point: the first free place of growing distance around it.</summary>
    /// <returns>The position and whether it is far enough to need a line to its point; null when there is no room.</returns>
    public (double X, double Y, bool Leader)? Place(double x, double y, double width, double size)
    {
        for (var distance = 8.0; distance <= 72; distance += 8)
        {
            for (var turn = 0; turn < 12; turn++)
            {
                // Right first, then alternately up and down around the point.
                var angle = (turn % 2 == 0 ? 1 : -1) * ((turn + 1) / 2) * Math.PI / 6;
                var cx = x + distance * Math.Cos(angle);
                var cy = y - distance * Math.Sin(angle);
                var startX = Math.Cos(angle) > 0.3 ? cx : Math.Cos(angle) < -0.3 ? cx - width : cx - width / 2;
                var box = (X: startX, Y: cy - size / 2, W: width, H: size + 2);
                if (box.X < left || box.X + box.W > right || box.Y < top || box.Y + box.H > bottom || _taken.Exists(t => Overlap(t, box)))
                    continue;
                _taken.Add(box);
                return (startX, cy + size * 0.36, distance > 8);
            }
        }

        return null;
    }

    private static bool Overlap((double X, double Y, double W, double H) a, (double X, double Y, double W, double H) b) =>
        a.X < b.X + b.W && b.X < a.X + a.W && a.Y < b.Y + b.H && b.Y < a.Y + a.H;
}
