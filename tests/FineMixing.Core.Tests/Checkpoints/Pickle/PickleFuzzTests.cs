using System.Buffers.Binary;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Pickle;

namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Valid files with random damage: whatever the bytes, one kind of exception, a stated amount of memory, and an end.</summary>
public class PickleFuzzTests
{
    // docs/checkpoints.md states these two.
    private const long FixedBytes = 64 << 10;
    private const long BytesPerByte = 128;

    private const int InputsPerSeed = 26_000;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Load_DamagedPickles_ThrowOnlyTheDocumentedException(int seed)
    {
        var pickles = FuzzSeeds.Pickles();
        Fuzz(seed, pickles, input =>
        {
            // The machine alone, and then what it built, taken out of a file whose zip structure is whole.
            var ran = Measure(input.Length, () => RestrictedUnpickler.Load(input, out _));
            var file = StoredZip.Write(input, ("0", TorchFile.Floats(40)), ("1", TorchFile.Floats(2)));
            Assert.True(!Measure(file.Length, () => ReadEnds(file)) || ran, "A pickle that is refused must not be read within a file.");
            return ran;
        });
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Open_DamagedFiles_ThrowOnlyTheDocumentedException(int seed) =>
        Fuzz(seed, FuzzSeeds.Files(), input => Measure(input.Length, () => ReadEnds(input)));

    [Fact]
    public void Open_SeedsOfTheFuzzer_AreValid()
    {
        foreach (var file in FuzzSeeds.Files())
            Assert.NotEmpty(TorchFile.Load(file).Tensors);
        foreach (var pickle in FuzzSeeds.Pickles())
            Assert.NotEmpty(TorchFile.Load(StoredZip.Write(pickle, ("0", TorchFile.Floats(40)), ("1", TorchFile.Floats(2)))).Tensors);
    }

    /// <summary>A short piece that takes as much memory for its length as any, to be repeated.</summary>
    [Theory]
    [InlineData("}")]
    [InlineData("]Na")]
    [InlineData("}NNs")]
    [InlineData("(t")]
    [InlineData("N\u00850")]
    [InlineData("K\u0001")]
    [InlineData("\u008a\u0000")]
    [InlineData("\u008c\u0001a")]
    [InlineData("ctorch\nSize\n")]
    [InlineData("N\u0094")]
    [InlineData(")\u0094\u0085\u0094")]
    public void Load_PieceThatTakesMemory_StaysWithinTheBound(string piece)
    {
        var bytes = new byte[900_000];
        (bytes[0], bytes[1]) = (0x80, 2);
        var unit = System.Text.Encoding.Latin1.GetBytes(piece);
        for (var at = 2; at + unit.Length <= bytes.Length; at += unit.Length)
            unit.CopyTo(bytes, at);
        Measure(bytes.Length, () => RestrictedUnpickler.Load(bytes, out _));
    }

    private static void Fuzz(int seed, IReadOnlyList<byte[]> valid, Func<byte[], bool> check)
    {
        var mutator = new Mutator(seed, valid);
        var (accepted, refused) = (0, 0);
        for (var i = 0; i < InputsPerSeed; i++)
        {
            var input = mutator.Next();
            try
            {
                if (check(input))
                    accepted++;
                else
                    refused++;
            }
            catch (Exception exception)
            {
                Assert.Fail($"Seed {seed}, input {i}: {exception}\n{Convert.ToHexString(input)}");
            }
        }

        // Otherwise the damage is too light or too heavy to try anything.
        Assert.InRange(accepted, InputsPerSeed / 20, InputsPerSeed);
        Assert.InRange(refused, InputsPerSeed / 2, InputsPerSeed);
    }

    // False when the input was refused.
    private static bool Measure(int length, Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var accepted = true;
        try
        {
            action();
        }
        catch (CheckpointFormatException)
        {
            accepted = false;
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated <= FixedBytes + (BytesPerByte * length), $"{length} bytes of input made {allocated} bytes of objects.");
        return accepted;
    }

    private static void ReadEnds(byte[] file)
    {
        using var checkpoint = TorchFile.Open(file);
        Span<byte> bytes = stackalloc byte[16];
        foreach (var tensor in checkpoint.Tensors)
        {
            var piece = bytes[..(int)Math.Min(bytes.Length, tensor.ByteLength)];
            checkpoint.Read(tensor, 0, piece);
            checkpoint.Read(tensor, tensor.ByteLength - piece.Length, piece);
        }
    }

    /// <summary>Damages valid inputs: bits, bytes, numbers, pieces lost, doubled, moved, or taken from another input.</summary>
    private sealed class Mutator(int seed, IReadOnlyList<byte[]> valid)
    {
        private static readonly long[] Numbers = [0, 1, -1, 7, 8, 255, 256, 65535, 65536, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 47, 1L << 48, long.MaxValue, long.MinValue];

        // All opcodes that mean something, so that a replaced byte often does.
        private static readonly byte[] Opcodes = [.. "().012BCGIJKLMNPQRSTUVX]abcdeghijlopqrstu}"u8, .. Enumerable.Range(0x80, 0x19).Select(i => (byte)i)];

        private readonly Random _random = new(seed);

        public byte[] Next()
        {
            var bytes = new List<byte>(valid[_random.Next(valid.Count)]);
            for (var count = _random.Next(3) == 0 ? 3 : 1; count > 0; count--)
                Damage(bytes);
            return [.. bytes];
        }

        private void Damage(List<byte> bytes)
        {
            if (bytes.Count == 0)
                return;
            var at = _random.Next(bytes.Count);
            var length = Math.Min(1 + _random.Next(_random.Next(2) == 0 ? 4 : 40), bytes.Count - at);
            switch (_random.Next(12))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 2:
                    bytes[at] = Opcodes[_random.Next(Opcodes.Length)];
                    break;
                case 3:
                    bytes.Insert(at, Opcodes[_random.Next(Opcodes.Length)]);
                    break;
                case 4:
                    Span<byte> number = stackalloc byte[8];
                    BinaryPrimitives.WriteInt64LittleEndian(number, Numbers[_random.Next(Numbers.Length)]);
                    var width = Math.Min(1 << _random.Next(4), bytes.Count - at);
                    for (var i = 0; i < width; i++)
                        bytes[at + i] = number[i];
                    break;
                case 5:
                    bytes.RemoveRange(at, length);
                    break;
                case 6:
                    bytes.InsertRange(_random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                    break;
                case 7:
                    var other = valid[_random.Next(valid.Count)];
                    var from = _random.Next(other.Length);
                    bytes.InsertRange(at, other.AsSpan(from, Math.Min(length, other.Length - from)).ToArray());
                    break;
                case 8:
                    // Cut off, rarely: nearly nothing of the reader runs on what is left.
                    bytes.RemoveRange(at, _random.Next(20) == 0 ? bytes.Count - at : Math.Min(1, length));
                    break;
                default:
                    // Another small number where there was one: sizes, strides, offsets and lengths that contradict each other.
                    at = bytes.IndexOf((byte)'K', at);
                    if (at >= 0 && at + 1 < bytes.Count)
                        bytes[at + 1] = (byte)_random.Next(45);
                    break;
            }
        }
    }
}
