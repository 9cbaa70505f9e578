using System.Buffers.Binary;
using System.Text;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Tests.Checkpoints.Safetensors;

/// <summary>Seeded mutations of valid files: nothing but the documented exception, and no more memory than the bytes justify.</summary>
public class SafetensorsFuzzTests
{
    private static readonly byte[][] Seeds =
    [
        SafetensorsLayout.Plan([new TensorInfo("bert.embeddings.word_embeddings.weight", DType.F32, [7, 5]), new TensorInfo("classifier.bias", DType.BF16, [2])]).ComposeHeader().ToArray()[..400],
        .. new[]
        {
            "{}",
            """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""",
            """{"__metadata__":{"format":"pt","x":"é\"\\\u00e9😀"},"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"F4","shape":[2,0],"data_offsets":[8,8]}}""",
            """{"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"\u0063":{"dtype":"BOOL","shape":[1,1,1],"data_offsets":[16,17]}}  """,
        }.Select(json => SafetensorsFiles.File(json, 17)),
    ];

    private static readonly byte[][] IndexSeeds =
    [
        Encoding.UTF8.GetBytes("""{"metadata":{"total_size":24,"x":[1,{"y":null}]},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"""),
        """{"weight_map":{"é":"x.safetensors"}}"""u8.ToArray(),
    ];

    [Fact]
    public void ReadHeader_200000Mutations_OnlyTheDocumentedExceptionAndBoundedMemory()
    {
        var mutator = new Mutator(seed: 20260, Seeds);
        var accepted = 0;
        for (var i = 0; i < 200_000; i++)
        {
            var file = mutator.Next();
            // Most mutations keep the length field right, so that the rest of the header is reached.
            if (file.Length >= 8 && i % 4 != 0)
                BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)Math.Max(0, Math.Min(file.Length - 8, mutator.HeaderLength)));
            accepted += Survives(i, file.Length, () => SafetensorsHeader.Read(new MemoryStream(file), file.Length, "fuzz")) ? 1 : 0;
        }

        // If nothing was accepted or nothing was refused, the mutations missed the reader.
        Assert.InRange(accepted, 100, 100_000);
    }

    [Fact]
    public void ParseIndex_20000Mutations_OnlyTheDocumentedExceptionAndBoundedMemory()
    {
        var mutator = new Mutator(seed: 7, IndexSeeds);
        var accepted = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var file = mutator.Next();
            accepted += Survives(i, file.Length, () => ShardIndex.Parse(new MemoryStream(file), file.Length, "/folder/model.safetensors.index.json")) ? 1 : 0;
        }

        Assert.InRange(accepted, 100, 18_000);
    }

    [Fact]
    public void Open_1000MutatedFiles_OnlyTheDocumentedException()
    {
        using var folder = new TemporaryFolder();
        var path = folder["model.safetensors"];
        var mutator = new Mutator(seed: 3, Seeds);
        for (var i = 0; i < 1000; i++)
        {
            File.WriteAllBytes(path, mutator.Next());
            Survives(i, 1 << 20, () =>
            {
                using var checkpoint = Checkpoint.Open(folder.Path);
                _ = StateDict.Load(checkpoint);
            });
        }
    }

    private static bool Survives(int round, int length, Action read)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read();
            return true;
        }
        catch (CheckpointFormatException)
        {
            return false;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Round {round} let {e.GetType().Name} escape: {e.Message}", e);
        }
        finally
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            // One buffer of at most 64 KiB, an exception, and objects in proportion to the bytes.
            Assert.True(allocated <= 100_000 + 40L * length, $"Round {round} allocated {allocated} bytes for a file of {length}.");
        }
    }

    private sealed class Mutator(int seed, byte[][] seeds)
    {
        private static readonly byte[][] Words = [.. new[]
        {
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\ud800", "\\u0061", "null", "true", "0", "-1", "1e9", "1.0", "4", "8", "18446744073709551615", "281474976710655", "281474976710656",
            "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\":{}", "\"weight_map\":{}", "\"F32\"", "\"F4\"", "\"a\"", "/", "..", " ", "\t", "\0", "é", "😀", "[[[[[[", "{\"a\":",
        }.Select(Encoding.UTF8.GetBytes)];

        private readonly Random _random = new(seed);

        public int HeaderLength { get; private set; }

        public byte[] Next()
        {
            var source = seeds[_random.Next(seeds.Length)];
            var data = source.Length >= 8 ? (int)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(source), (ulong)source.Length) : 0;
            var bytes = source.ToList();
            for (var edits = _random.Next(1, 5); edits > 0; edits--)
                Edit(bytes);
            HeaderLength = Math.Max(0, Math.Min(data, source.Length - 8) + bytes.Count - source.Length);
            return [.. bytes];
        }

        private void Edit(List<byte> bytes)
        {
            var at = _random.Next(bytes.Count + 1);
            var length = Math.Min(_random.Next(1, 12), bytes.Count - at);
            switch (_random.Next(7))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 4:
                    bytes.InsertRange(at, Words[_random.Next(Words.Length)]);
                    break;
                case 5:
                    bytes.RemoveRange(at, length);
                    bytes.InsertRange(at, Words[_random.Next(Words.Length)]);
                    break;
                default:
                    var other = seeds[_random.Next(seeds.Length)];
                    var start = _random.Next(other.Length);
                    bytes.InsertRange(at, other.AsSpan(start, Math.Min(_random.Next(1, 60), other.Length - start)));
                    break;
            }
        }
    }
}
