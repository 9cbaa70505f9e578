using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Models;
using FineMixing.Randomness;

namespace FineMixing.Torch.Tests;

/// <summary>A pre-trained-looking encoder of a few thousand weights in a folder of its own, and a task it can learn in a second.</summary>
internal sealed class TinyModel : IDisposable
{
    private static readonly string[] Good = ["good", "great", "fine", "lovely", "superb", "warm"];
    private static readonly string[] Bad = ["bad", "awful", "poor", "dull", "weak", "cold"];
    private static readonly string[] Neutral = ["the", "a", "film", "plot", "actor", "scene", "was", "is", "quite", "very", "and", "with", "end", "music"];

    public TinyModel(int labels = 2, ulong seed = 3)
    {
        Folder = Directory.CreateTempSubdirectory("finemixing-tiny-").FullName;
        string[] vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cf", .. Good, .. Bad, .. Neutral, "mn"];
        File.WriteAllLines(Path.Combine(Folder, "vocab.txt"), vocabulary);
        File.WriteAllText(Path.Combine(Folder, "config.json"), $$"""
            { "model_type": "bert", "vocab_size": {{vocabulary.Length}}, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "intermediate_size": 64, "max_position_embeddings": 32, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1 }
            """);
        CheckpointWriter.Write(RandomWeights(ModelConfig.FromFile(Path.Combine(Folder, "config.json")), seed), Folder);
        Encoder = ModelFolder.Open(Folder);
        Start = Encoder.WithNewHead([.. Enumerable.Range(0, labels).Select(i => $"class {i}")], 1);
    }

    public string Folder { get; }

    public ModelFolder Encoder { get; }

    public ClassifierModel Start { get; }

    /// <summary>Sentences with one word that decides the label.</summary>
    public static TextExample[] Examples(int count, ulong seed)
    {
        var random = new DeterministicRandom(seed);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var words = Enumerable.Range(0, 3 + random.NextInt32(6)).Select(_ => random.Pick(Neutral)).ToList();
            words.Insert(random.NextInt32(words.Count + 1), random.Pick(i % 2 == 0 ? Bad : Good));
            return new TextExample(string.Join(' ', words), null, i % 2);
        })];
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static StateDict RandomWeights(ModelConfig config, ulong seed)
    {
        var weights = new StateDict("tiny");
        void Add(string name, params long[] shape) => weights.Add(name.Contains("LayerNorm.weight", StringComparison.Ordinal)
            ? HostTensor.FromFloat32(name, [.. shape], [.. Enumerable.Repeat(1f, (int)shape[0])])
            : name.EndsWith(".bias", StringComparison.Ordinal) ? NewWeights.Zeros(name, [.. shape]) : NewWeights.Normal(name, [.. shape], 0.1, seed));
        var (h, i) = (config.HiddenSize, config.IntermediateSize);
        Add("bert.embeddings.word_embeddings.weight", config.VocabularySize, h);
        Add("bert.embeddings.position_embeddings.weight", config.MaxPositions, h);
        Add("bert.embeddings.token_type_embeddings.weight", 2, h);
        Add("bert.embeddings.LayerNorm.weight", h);
        Add("bert.embeddings.LayerNorm.bias", h);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var p = $"bert.encoder.layer.{layer}.";
            foreach (var part in (string[])["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"])
            {
                Add(p + part + ".weight", h, h);
                Add(p + part + ".bias", h);
            }

            Add(p + "attention.output.LayerNorm.weight", h);
            Add(p + "attention.output.LayerNorm.bias", h);
            Add(p + "intermediate.dense.weight", i, h);
            Add(p + "intermediate.dense.bias", i);
            Add(p + "output.dense.weight", h, i);
            Add(p + "output.dense.bias", h);
            Add(p + "output.LayerNorm.weight", h);
            Add(p + "output.LayerNorm.bias", h);
        }

        Add("bert.pooler.dense.weight", h, h);
        Add("bert.pooler.dense.bias", h);
        return weights;
    }
}
