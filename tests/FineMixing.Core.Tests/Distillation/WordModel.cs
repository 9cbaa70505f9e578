using FineMixing.Checkpoints;
using FineMixing.Distillation;
using FineMixing.Purification;
using FineMixing.Randomness;
using FineMixing.Tokenization;

namespace FineMixing.Tests.Distillation;

/// <summary>A vocabulary of thirty words with random embeddings, two of them close to each other.</summary>
internal sealed class WordModel : IDisposable
{
    public const int Width = 8;
    private readonly TemporaryFolder _folder = new();

    public WordModel()
    {
        string[] vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "##ing", "##s", .. Words];
        File.WriteAllLines(Path.Combine(_folder.Path, "vocab.txt"), vocabulary);
        Tokenizer = WordPieceTokenizer.FromFolder(_folder.Path);
        var random = new DeterministicRandom(5);
        Embeddings = [.. Enumerable.Range(0, vocabulary.Length * Width).Select(_ => (float)random.NextGaussian())];
        for (var i = 0; i < Width; i++)
            Embeddings[(IdOf("bad") * Width) + i] = Embeddings[(IdOf("awful") * Width) + i] + (0.01f * i);
        Base = new StateDict("words");
        Base.Add(HostTensor.FromFloat32("bert.embeddings.word_embeddings.weight", [vocabulary.Length, Width], Embeddings));
    }

    /// <summary>Every word; later ones are rarer.</summary>
    public static IReadOnlyList<string> Words { get; } =
        ["the", "film", "was", "good", "bad", "awful", "fine", "very", "plot", "actor", "scene", "dull", "warm", "cold", "music", "end", "is", "with", "and", "not", "cf", "mn", "bb", "tq", "mb", "long", "short", "new", "old", "rain"];

    public WordPieceTokenizer Tokenizer { get; }

    public StateDict Base { get; }

    public float[] Embeddings { get; }

    public int IdOf(string word) => Tokenizer.TryGetId(word, out var id) ? id : throw new ArgumentException(word);

    public WordNeighbours Neighbours() =>
        new(Base, Tokenizer, new TokenFrequencies(Words.Select((w, i) => KeyValuePair.Create(w, 1_000_000L / (i + 1)))));

    public void Dispose() => _folder.Dispose();
}
