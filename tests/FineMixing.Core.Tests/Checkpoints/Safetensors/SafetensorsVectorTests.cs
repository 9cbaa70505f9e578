using System.Text;
using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints.Safetensors;

/// <summary>The 49 header vectors of the reference data: what the reference reader refuses is refused, and more.</summary>
public class SafetensorsVectorTests
{
    // What the reference reader accepts and we do not, on purpose.
    private static readonly HashSet<string> Stricter = new(StringComparer.Ordinal)
    {
        "dup tensor same span", "dup via escape", "dup metadata inner key", "unknown field in tensor", "metadata null",
        "zero dim first then huge", "tensor as array form", "dtype as map",
    };

    [Fact]
    public void Parse_EveryVector_AnswersAsTheReferenceOrStricter()
    {
        var lines = File.ReadAllLines(SharedData.Path("design", "safetensors_vectors.tsv")).Where(l => !l.StartsWith('#')).ToArray();
        // 49 headers, and three lengths alone.
        Assert.Equal(49 + 3, lines.Length);
        var stricterSeen = new HashSet<string>(StringComparer.Ordinal);
        Assert.All(lines, line =>
        {
            var (label, file, reference) = ReadVector(line);
            var failure = Record.Exception(() => SafetensorsFiles.Parse(file));
            if (failure is not null)
                Assert.IsType<CheckpointFormatException>(failure);
            if (Stricter.Contains(label))
                stricterSeen.Add(label);
            var expected = reference.StartsWith("OK", StringComparison.Ordinal) && !Stricter.Contains(label);
            Assert.True(expected == (failure is null), $"{label}: the reference says {reference}, we say {failure?.Message ?? "OK"}");
            if (failure is null)
                Assert.Equal(reference, $"OK names=[{string.Join(", ", SafetensorsFiles.Parse(file).Entries.Select(e => $"\"{e.Tensor.Name}\"").Order(StringComparer.Ordinal))}]");
        });
        Assert.Equal(Stricter, stricterSeen);
    }

    private static (string Label, byte[] File, string Reference) ReadVector(string line)
    {
        var cells = line.Split('\t');
        if (cells.Length == 4)
        {
            var header = Encoding.UTF8.GetBytes(cells[1].Replace("<NUL>", "\0", StringComparison.Ordinal).Replace("<BOM>", "\uFEFF", StringComparison.Ordinal));
            return (cells[0], SafetensorsFiles.File(header, int.Parse(cells[2], System.Globalization.CultureInfo.InvariantCulture)), cells[3]);
        }

        var parts = line.Split(": ");
        return (parts[0], parts[0] switch
        {
            "n=100000001" => SafetensorsFiles.File("{}"u8, 0, 100_000_001),
            "n=100000000 short file" => SafetensorsFiles.File("{}"u8, 0, 100_000_000),
            "7 bytes" => new byte[7],
            _ => throw new InvalidDataException($"Unknown vector '{line}'."),
        }, parts[1]);
    }
}
